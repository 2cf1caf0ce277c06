"""`chainrule grade`: somebody's own back-propagation, run on random networks and its mistakes named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import json_option, printable, write_json, write_lines

WORDS = ("e", "minus-e", "mean", "sum", "half", "no-half", "sum-of-outputs", "mean-of-outputs")


@click.command("grade")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--template", is_flag=True, help="Write a file to begin with, and grade nothing.")
@click.option(
    "--convention",
    "conventions",
    multiple=True,
    type=click.Choice(WORDS),
    metavar="WORD",
    help="What the file means: e or minus-e, mean or sum (over patterns), half or no-half, sum-of-outputs or "
    "mean-of-outputs; may be given several times. What is not given is recognised.",
)
@click.option(
    "--time-limit",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, 3600, min_open=True),
    help="Seconds that the file may take.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the random networks.")
@json_option
def command(
    file: Path | None, template: bool, conventions: tuple[str, ...], time_limit: float, seed: int, as_json: bool
) -> None:
    """Run your own back-propagation in FILE and name its mistakes.

    FILE is Python that defines any of

    \b
      forward(w, b, f, inputs) -> x, y
      error_terms(w, f_prime, x, y, t) -> e
      gradient(e, y) -> dw, db
      input_gradient(w, e) -> d

    on lists of NumPy arrays; --template writes one to fill in. It is run as python would run it, in a process of its
    own: grade only files that you would run. What it computes on random networks is compared with the derivation, and
    with the derivation changed as one changes it by mistake. Ends with exit code 1 if something is wrong.
    """  # noqa: D301  click looks for the character itself
    if template:
        from chainrule.grading.template import TEMPLATE

        if file is not None:
            raise click.UsageError("--template must go without FILE; got both. Leave one of them out.")
        click.echo(TEMPLATE, nl=False)
        return
    if file is None:
        raise click.UsageError("FILE must be given; got none. Name your file, or begin with --template.")
    from chainrule.grading import grade

    asks = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    if not as_json:
        write_lines(
            f"Running {file.name} in a process of its own, for at most {time_limit:g} s. It can do whatever a program "
            "of yours can: grade only files that you would run."
        )
        click.echo()
    report = grade(file, conventions=conventions, time_limit=time_limit, seed=seed, ask=_ask if asks else None)
    if as_json:
        write_json(report.to_dict())
    else:
        for line in str(report).splitlines():
            click.echo(printable(line))
    if not report.ok:
        raise SystemExit(1)


def _ask(aspect: Any) -> bool:
    """Ask once, and say how not to be asked again."""
    meant = click.confirm(aspect.question, default=True)
    word = aspect.other if meant else aspect.paper
    write_lines(f'(--convention {word}, or CONVENTIONS = ["{word}"] in your file, and this is not asked again.)')
    click.echo()
    return meant
