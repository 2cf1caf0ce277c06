"""`chainrule evaluate`: how good a model is on a table with the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import (
    dialect_options,
    interrupted,
    json_option,
    model_argument,
    model_in,
    one_or_all,
    tables_argument,
    write_json,
    write_scores,
)


@click.command("evaluate")
@model_argument
@tables_argument
@dialect_options
@json_option
def command(model: Path, tables: tuple[Path, ...], as_json: bool, dialect: Any) -> None:
    """Score MODEL on a TABLE that has its targets.

    R², RMSE and MAE of a regression, or accuracy, log loss, ROC AUC and the confusion matrix of a classification,
    beside the constant predictor: the target's mean, or the shares of its classes, on the rows that the model was
    trained on; of a model with error bars also how many targets lie in its 90 % intervals. Rows without the target are
    left out.
    """
    from chainrule.model import scores_to_dict

    loaded = model_in(model)
    if unfinished := interrupted(loaded):
        click.echo(f"Warning: {unfinished}.", err=True)
    found = loaded.evaluate(one_or_all(tables), dialect=dialect)
    if as_json:
        write_json(scores_to_dict(found))
    else:
        write_scores(found, f"rows of {tables[0].name}" if len(tables) == 1 else "rows", loaded.targets)
