"""`chainrule predict`: a column of predictions for a table."""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.output import (
    as_json_text,
    force_option,
    json_option,
    model_argument,
    require_new,
    table_argument,
    write_text,
)


@click.command("predict")
@model_argument
@table_argument
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File to write; else standard output.")
@force_option
@json_option
def command(model: Path, table: Path, output: Path | None, force: bool, as_json: bool) -> None:
    """Predict the targets of each row of TABLE with MODEL.

    Writes CSV with one column per target, named as the target, one line per row in the table's order; with --json a
    list per target. The table's columns are found by name; others may stand among them.
    """
    import csv
    import io

    from chainrule.model import load

    require_new(output, force, model, table)
    loaded = load(model)
    predictions = loaded.predict(table)
    if as_json:
        text = as_json_text({name: predictions[:, j].tolist() for j, name in enumerate(loaded.outputs)})
    else:
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(loaded.outputs)
        writer.writerows(predictions.tolist())
        text = lines.getvalue()
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
