"""`chainrule predict`: a column of predictions for a table."""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.output import (
    force_option,
    json_option,
    model_argument,
    require_new,
    table_argument,
    write_json,
    write_text,
)


@click.command("predict")
@model_argument
@table_argument
@click.option("--output", "-o", type=click.Path(path_type=Path), help="CSV file to write; else standard output.")
@force_option
@json_option
def command(model: Path, table: Path, output: Path | None, force: bool, as_json: bool) -> None:
    """Predict the targets of each row of TABLE with MODEL.

    Writes CSV with one column per target, named as the target, one line per row in the table's order. The table's
    columns are found by name; others may stand among them.
    """
    import csv
    import io

    from chainrule.model import load

    require_new(output, force)
    loaded = load(model)
    predictions = loaded.predict(table)
    names = loaded.target_names or tuple(f"y{j}" for j in range(predictions.shape[1]))
    if as_json:
        write_json({name: predictions[:, j].tolist() for j, name in enumerate(names)})
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(predictions.tolist())
    if output is None:
        click.echo(text.getvalue(), nl=False)
    else:
        write_text(output, text.getvalue())
