"""`chainrule check`: the gradient certificate of a model on a table."""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.output import json_option, model_argument, table_argument, write_json


@click.command("check")
@model_argument
@table_argument
@click.option("--rows", default=32, show_default=True, type=click.IntRange(1), help="Rows of the table to use.")
@json_option
def command(model: Path, table: Path, rows: int, as_json: bool) -> None:
    """Certify the gradient of MODEL on the first rows of TABLE.

    Every derivative of back-propagation is compared with an oracle that shares nothing with it. For each block the
    worst entry is named, with both values. Ends with exit code 1 if one is wrong.
    """
    from chainrule.model import load

    certificate = load(model).check(table, rows)
    if as_json:
        write_json(certificate.to_dict())
    else:
        click.echo(str(certificate))
    if not certificate.ok:
        raise SystemExit(1)
