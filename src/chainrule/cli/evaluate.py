"""`chainrule evaluate`: how good a model is on a table with the truth."""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.output import json_option, model_argument, table_argument, write_json, write_scores


@click.command("evaluate")
@model_argument
@table_argument
@json_option
def command(model: Path, table: Path, as_json: bool) -> None:
    """Score MODEL on a TABLE that has its targets.

    R², RMSE and MAE of the network beside the constant predictor, which is the target's mean on the rows that the
    model was trained on. Rows without the target are left out.
    """
    from chainrule.model import load, scores_to_dict

    found = load(model).evaluate(table)
    if as_json:
        write_json(scores_to_dict(found))
    else:
        write_scores(found, f"rows of {table.name}")
