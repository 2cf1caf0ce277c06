"""`chainrule derive`: the numbered derivation of the gradient by one weight, bias or input, and its verification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import (
    dialect_options,
    force_option,
    json_option,
    model_in,
    one_or_all,
    require_new,
    write_lines,
    write_text,
)

FORMATS = ("text", "ascii", "latex", "tex", "html", "markdown", "speech", "json", "numpy")


@click.command("derive")
@click.option("--wrt", required=True, help="Weight 'w[1,7,3]', bias 'b[1,7]', input 'y[0,5]', or an input's column.")
@click.option("--layers", help="Nodes of each layer, inputs first: 4,8,3,4,3,2.")
@click.option("--model", type=click.Path(path_type=Path), help="Model whose network it is about, in place of --layers.")
@click.option(
    "--data", multiple=True, type=click.Path(path_type=Path), help="Table with the row to evaluate, for --model."
)
@click.option("--row", type=int, default=1, show_default=True, help="Row of --data, the first is 1.")
@click.option(
    "--granularity",
    default="paper",
    show_default=True,
    type=click.Choice(["paper", "full", "pedantic"]),
    help="Fold what the paper folds; every step of the paper; or every single rule.",
)
@click.option("--objective", type=click.Choice(["sse", "cross_entropy"]), help="What is minimised, for --layers.")
@click.option("--outputs", type=click.Choice(["softmax", "logistic"]), help="Output activation, for --layers.")
@click.option("--bias/--no-bias", default=None, help="Whether layers have biases, for --layers; the paper's have none.")
@click.option("--l2", is_flag=True, help="With an L2 penalty, for --layers.")
@click.option("--patterns", is_flag=True, help="Over several patterns, the sum outside.")
@click.option(
    "--notation",
    default="paper",
    show_default=True,
    type=click.Choice(["paper", "nielsen", "matrix"]),
    help="The paper's e; Nielsen's δ = −e; or matrices.",
)
@click.option(
    "--format",
    "format_",
    default="text",
    show_default=True,
    type=click.Choice(FORMATS),
    help="How it is written; tex is a whole document, numpy is code that runs.",
)
@click.option("--numbers", is_flag=True, help="Each line with its numbers too: of the row, or of a random network.")
@click.option("--verify", is_flag=True, help="Evaluate every line, on the row and on random networks.")
@click.option("--exact", is_flag=True, help="Evaluate every line in fractions: equal, not nearly equal.")
@click.option("--prove", is_flag=True, help="Prove every line by SymPy, on a narrow copy (extra 'prove').")
@click.option("--cost", is_flag=True, help="Count the multiplications of each line.")
@click.option(
    "--paths", type=click.IntRange(1), help="So many of the largest paths of the sum, on the row or at random."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write the derivation to.")
@force_option
@dialect_options
@json_option
def command(
    wrt: str,
    layers: str | None,
    model: Path | None,
    data: tuple[Path, ...],
    row: int,
    granularity: str,
    objective: str | None,
    outputs: str | None,
    bias: bool | None,
    l2: bool,
    patterns: bool,
    notation: str,
    format_: str,
    numbers: bool,
    verify: bool,
    exact: bool,
    prove: bool,
    cost: bool,
    paths: int | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    dialect: Any,
) -> None:
    """Derive the gradient by a weight, bias or input, step by step.

    \b
      chainrule derive --layers 6,8,7,5,4,3 --wrt 'w[1,7,3]' --verify
      chainrule derive --model price.safetensors --data houses.csv --wrt area

    These are the numbered steps of the paper for your network, each with its reason. With --verify each line is
    evaluated, those with a pending derivative too, and those with error terms by those of back-propagation itself. Ends
    with exit code 1 if a line is wrong.
    """  # noqa: D301  click looks for the character itself
    from chainrule.derivation import derive

    if (layers is None) == (model is None):
        got = "neither" if layers is None else "both"
        raise click.UsageError(f"--layers or --model must be given; got {got}. Pass one of them.")
    if model is None and data:
        raise click.UsageError("--data must go with --model, which knows its columns; got --layers. Pass a model.")
    given = {"--objective": objective, "--outputs": outputs, "--bias": bias, "--l2": l2 or None}
    if model is not None and any(value is not None for value in given.values()):
        named = next(name for name, value in given.items() if value is not None)
        raise click.UsageError(f"{named} must go with --layers; got --model, whose network has its own. Leave it out.")
    if data and patterns:
        raise click.UsageError("--patterns must go without --data, of which one row is taken; got both. Leave one out.")
    require_new(output, force, *([] if model is None else [model]), *data)
    if layers is not None:
        derivation = derive(
            _sizes(layers), wrt, granularity, objective=objective, output=outputs, bias=bias, l2=l2, patterns=patterns
        )
        case, names = None, None
    else:
        assert model is not None
        loaded = model_in(model)
        inputs = () if loaded.encoding is None else loaded.encoding.inputs
        targets = () if loaded.targets is None else loaded.targets.outputs
        names = {"inputs": list(inputs), "targets": list(targets)}
        wrt = f"y[0,{inputs.index(wrt)}]" if wrt in inputs else wrt
        derivation = derive(loaded.network, wrt, granularity, patterns=patterns)
        case = loaded.one_pattern(loaded.read(one_or_all(data), dialect), row) if data else None
    found = _written(derivation, case, "json" if as_json else format_, notation, numbers, verify, names, output)
    if exact:
        found &= _said(derivation.verify_exact())
    if prove:
        found &= _said(derivation.prove())
    if cost:
        click.echo(f"\n{derivation.cost()}")
    if paths is not None:
        from chainrule.derivation.verify import example

        on = (derivation.net, *case) if case else example(derivation.problem, 0)[:3]
        click.echo(f"\n{derivation.paths(*on, most=paths)}")
    if not found:
        raise SystemExit(1)


def _written(
    derivation: Any,
    case: Any,
    format_: str,
    notation: str,
    numbers: bool,
    verify: bool,
    names: Any,
    output: Path | None,
) -> bool:
    """Write the derivation; whether every line is right, as far as was asked."""
    from chainrule.derivation.verify import example, values_of

    verified = derivation.verify(derivation.net, *(case or ())) if verify else None
    values = None
    if numbers:
        on = (derivation.net, *case) if case else example(derivation.problem, 0)
        values = values_of(derivation.problem, *on)
    text = derivation.render(format_, notation, numbers=values, verified=verified, names=names)
    if output is None:
        click.echo(text)
    else:
        write_text(output, [text if text.endswith("\n") else text + "\n"])
        write_lines(f"{len(derivation)} steps in {output}")
    if verified is not None and (format_ in ("text", "ascii") or output is not None):
        click.echo()
        _summarise(verified)
    return verified is None or verified.ok


def _summarise(verified: Any) -> None:
    """What was found, in a few lines; all of them if one is wrong."""
    if verified.first_wrong is not None:
        click.echo(str(verified))
        return
    also, oracle = verified.generic, verified.oracle
    largest = max(line.relative_error for one in (verified, *also) for line in one.lines)
    others = f"{len(also)} random networks" if len(also) > 1 else "another random network"
    write_lines(
        f"all {len(verified.lines)} lines are equal, on {verified.network} and on {others}; the largest relative "
        f"error is {largest:.1e}"
    )
    write_lines(f"{oracle.name}, which shares no rule with them: {oracle.value:.15g}")
    if oracle.kinked:
        write_lines(
            f"E has a corner here: its slope is {oracle.left:.6g} on the left and {oracle.right:.6g} on the right"
        )


def _said(found: Any) -> bool:
    click.echo(f"\n{found}")
    return bool(found.ok)


def _sizes(layers: str) -> list[int]:
    try:
        return [int(one) for one in layers.replace("-", ",").split(",")]
    except ValueError:
        raise click.UsageError(
            f"--layers must be whole numbers with commas between them, inputs first; got {layers!r}. "
            "For 4 inputs, 8 hidden nodes and 2 outputs pass 4,8,2."
        ) from None
