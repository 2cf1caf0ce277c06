"""`chainrule predict`: a column of predictions for a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import (
    as_json_text,
    dialect_options,
    force_option,
    json_option,
    model_argument,
    model_in,
    one_or_all,
    require_new,
    tables_argument,
    write_text,
)


@click.command("predict")
@model_argument
@tables_argument
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File to write; else standard output.")
@force_option
@click.option(
    "--interval",
    type=float,
    metavar="PERCENT",
    help="Write target_std, target_low and target_high too: an interval that holds the target so often.",
)
@click.option("--probabilities", is_flag=True, help="Write the probability of each class too, as target=class.")
@dialect_options
@json_option
def command(
    model: Path,
    tables: tuple[Path, ...],
    output: Path | None,
    force: bool,
    interval: float | None,
    probabilities: bool,
    as_json: bool,
    dialect: Any,
) -> None:
    """Predict the targets of each row of TABLE with MODEL.

    Writes CSV with one column per target, named as the target, one line per row in the table's order; with --json a
    list per target. The table's columns are found by name; others may stand among them.
    """
    require_new(output, force, model, *tables)
    pieces = model_in(model).said(one_or_all(tables), probabilities=probabilities, interval=interval, dialect=dialect)
    text = _json(pieces) if as_json else _csv(pieces)
    if output is not None:
        write_text(output, text)
        return
    for part in text:
        click.echo(part, nl=False)


def _json(pieces: Iterable[dict[str, Any]]) -> Iterator[str]:
    columns: dict[str, list[Any]] = {}
    for piece in pieces:
        for name, values in piece.items():
            columns.setdefault(name, []).extend(values.tolist())
    yield as_json_text(columns)


def _csv(pieces: Iterable[dict[str, Any]]) -> Iterator[str]:
    import csv
    from types import SimpleNamespace

    for n, piece in enumerate(pieces):
        lines: list[str] = []
        file = SimpleNamespace(write=lambda line, lines=lines: lines.append(f"{line[:-2]}\n"))
        writer = csv.writer(file, lineterminator="\r\n")  # so that a cell with either of them has quotes
        if n == 0:
            writer.writerow(piece)
        writer.writerows(zip(*(_plain(values) for values in piece.values()), strict=True))
        yield "".join(lines)


def _plain(values: Any) -> list[Any]:
    """Booleans as tables write them."""
    return [str(one).lower() if isinstance(one, bool) else one for one in values.tolist()]
