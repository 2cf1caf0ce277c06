"""`chainrule train`: from a table to a model, judged on rows it has not seen."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import (
    force_option,
    json_option,
    printable,
    require_new,
    table_argument,
    write_json,
    write_lines,
    write_scores,
)


@click.command("train")
@table_argument
@click.option("--target", "-t", multiple=True, required=True, help="Column to predict; may be given several times.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File to save the model to.")
@force_option
@click.option("--hidden", default="32", show_default=True, help="Nodes of each hidden layer, like 32,16; '' for none.")
@click.option("--activation", default="tanh", show_default=True, help="Activation of the hidden layers.")
@click.option(
    "--rule", default="adam", show_default=True, help="Update rule: gradient_descent, momentum, adam or lbfgs."
)
@click.option("--learning-rate", type=float, help="By default one that fits the rule.")
@click.option("--epochs", default=400, show_default=True, help="At most so many passes over the rows.")
@click.option("--batch-size", default=32, show_default=True, help="Rows an update; 0 for all.")
@click.option(
    "--patience", default=30, show_default=True, help="Epochs without improvement before it stops; 0 for never."
)
@click.option("--l2", type=float, help="Penalty on the squares of the weights; by default chosen of four.")
@click.option("--held-out", default=0.2, show_default=True, help="Fraction of the rows kept to judge the model.")
@click.option(
    "--seed", default=0, show_default=True, help="Of held-out rows, start and order: the same gives the same model."
)
@json_option
def command(
    table: Path,
    target: tuple[str, ...],
    output: Path | None,
    force: bool,
    hidden: str,
    batch_size: int,
    patience: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network on a CSV TABLE and judge it on held-out rows.

    The table holds numbers under a line of names; every column but the targets is an input. Values are taken as they
    are: scaling is done inside and undone on output. The report compares the network with the linear model and with the
    constant predictor on the same held-out rows, and certifies its gradient.
    """
    from chainrule.model import Model, save

    require_new(output, force, table)
    for option, value in (("--batch-size", batch_size), ("--patience", patience)):
        if value < 0:
            raise click.UsageError(f"{option} must be 0 or more; got {value}. See chainrule train --help for 0.")
    try:
        model = Model.fit(
            table, target, hidden=_layers(hidden), batch_size=batch_size or None, patience=patience or None, **options
        )
    except KeyboardInterrupt:
        click.echo("Error: training was interrupted; nothing was saved.", err=True)
        raise SystemExit(130) from None
    if output is not None:
        save(model, output)
    if as_json:
        _write_json(model, output)
    else:
        _write(model, output)
    _warn_of_worse(model)
    if model.report is not None and not model.report.certificate.ok:
        raise SystemExit(1)


def _layers(hidden: str) -> list[int]:
    layers = hidden.replace(" ", "").split(",") if hidden.strip() else []
    if not all(nodes.isascii() and nodes.isdigit() and int(nodes) for nodes in layers):
        raise click.UsageError(
            f"--hidden must be whole numbers from 1 up with commas between them; got {hidden!r}. For two layers of 32 "
            "and 16 nodes pass 32,16."
        )
    return [int(nodes) for nodes in layers]


def _write(model: Any, output: Path | None) -> None:
    report, net = model.report, model.network
    rows, history, certificate = report.rows, report.history, report.certificate
    sizes = "-".join(str(nodes) for nodes in net.sizes)
    hidden = f"{net.f[1].name}, " if net.depth > 1 else ""
    write_lines(f"network {sizes}, {net.n_parameters:,} parameters: {hidden}output {net.f[-1].name}")
    write_lines(
        f"trained by {history.rule} on {_counted(rows['trained'], 'row')}, with {len(report.penalties)} "
        f"{'penalties' if len(report.penalties) > 1 else 'penalty'}, in {report.seconds:.1f} s"
    )
    chosen = f"l2 = {net.l2:g} and " if len(report.penalties) > 1 else ""
    write_lines(
        f"{_counted(rows['stopping'], 'other row')} chose {chosen}epoch {history.best_epoch:,} of {history.epochs:,} "
        f"({history.stopped})"
    )
    if history.best_epoch > 0.9 * history.epochs and history.stopped == "all epochs run":
        write_lines("it was still improving at the end: more --epochs may do better")
    if rows["without_target"]:
        write_lines(f"left out for want of a target: {_counted(rows['without_target'], 'row')}")
    click.echo()
    write_scores(report.scores, "held-out rows")
    for target, found in report.scores.items():
        if found["linear model"].rmse < found["network"].rmse <= found["constant predictor"].rmse:
            write_lines(f"the linear model does better on {target} here; a network may not be needed")
    if certificate.ok:
        write_lines(
            f"gradient certificate: ok; checked {certificate.scope}; the worst, {certificate.worst.name}, differs from "
            f"the {certificate.oracle} by {certificate.relative_error:.0e}"
        )
    else:
        click.echo(str(certificate))
    if output is not None:
        click.echo(f"saved to {output}: chainrule predict {shlex.quote(str(output))} NEW.csv")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _warn_of_worse(model: Any) -> None:
    for target, found in model.report.scores.items():
        if found["network"].rmse > found["constant predictor"].rmse:
            click.echo(
                f"Warning: the network predicts {printable(target)} worse than a constant does on the held-out rows.",
                err=True,
            )


def _write_json(model: Any, output: Path | None) -> None:
    from chainrule.model import scores_to_dict

    report = model.report
    write_json(
        {
            "sizes": list(model.network.sizes),
            "parameters": model.network.n_parameters,
            "inputs": list(model.names),
            "targets": list(model.target_names),
            "rows": dict(report.rows),
            "scores": scores_to_dict(report.scores),
            "certificate": report.certificate.to_dict(),
            "history": report.history.to_dict(),
            "seconds": report.seconds,
            "saved": None if output is None else str(output),
        }
    )
