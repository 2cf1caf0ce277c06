"""`chainrule check`: the gradient certificate of a model on a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import (
    dialect_options,
    json_option,
    model_argument,
    model_in,
    one_or_all,
    say_which,
    tables_argument,
    write_json,
)


@click.command("check")
@model_argument
@tables_argument
@click.option("--rows", default=32, show_default=True, type=click.IntRange(1), help="Rows of the table to use.")
@dialect_options
@json_option
def command(model: Path, tables: tuple[Path, ...], rows: int, as_json: bool, dialect: Any) -> None:
    """Certify the gradient of MODEL on the first rows of TABLE.

    Every derivative of back-propagation is compared with an oracle that shares nothing with it. For each block the
    worst entry is named, with both values. Ends with exit code 1 if one is wrong.
    """
    loaded = model_in(model)
    certificate = loaded.check(next(loaded.pieces(one_or_all(tables), dialect)), rows)
    if as_json:
        write_json(certificate.to_dict())
    else:
        say_which(loaded)
        click.echo(str(certificate))
    if not certificate.ok:
        raise SystemExit(1)
