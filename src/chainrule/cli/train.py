"""`chainrule train`: from a table to a model, judged on rows it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import force_option, json_option, require_new, table_argument, write_json, write_scores


@click.command("train")
@table_argument
@click.option("--target", "-t", multiple=True, required=True, help="Column to predict; may be given several times.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File to save the model to.")
@force_option
@click.option("--hidden", default="32", show_default=True, help="Nodes of each hidden layer, like 32,16; '' for none.")
@click.option("--activation", default="tanh", show_default=True, help="Of the hidden layers.")
@click.option("--rule", default="adam", show_default=True, help="gradient_descent, momentum, adam or lbfgs.")
@click.option("--learning-rate", type=float, help="By default one that fits the rule.")
@click.option("--epochs", default=400, show_default=True, help="At most so many passes over the rows.")
@click.option("--batch-size", default=32, show_default=True, help="Rows an update; 0 for all.")
@click.option(
    "--patience", default=30, show_default=True, help="Epochs without improvement before it stops; 0 for never."
)
@click.option("--l2", type=float, help="Penalty on the squares of the weights; by default chosen of four.")
@click.option("--held-out", default=0.2, show_default=True, help="Fraction of the rows kept to judge the model.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same model.")
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
    """Train a network on a CSV TABLE of numbers and judge it on held-out rows.

    Every column but the targets is an input. Values are taken as they are: scaling is done inside and undone on output.
    The report compares the network with the linear model and with the constant predictor on the same held-out rows, and
    certifies its gradient.
    """
    from chainrule.model import Model, save
    from chainrule.training.loop import Interrupted

    require_new(output, force)
    if batch_size < 0 or patience < 0:
        raise click.UsageError("--batch-size and --patience must be 0 or more; got a negative number. Use 0 for none.")
    try:
        model = Model.fit(
            table, target, hidden=_layers(hidden), batch_size=batch_size or None, patience=patience or None, **options
        )
    except Interrupted as interrupt:
        click.echo(
            f"Error: training was interrupted after {interrupt.history.epochs:,} epochs; nothing was saved.", err=True
        )
        raise SystemExit(130) from None
    if output is not None:
        save(model, output)
    if as_json:
        _write_json(model, output)
    else:
        _write(model, output)
    if model.report is not None and not model.report.certificate.ok:
        raise SystemExit(1)


def _layers(hidden: str) -> list[int]:
    try:
        return [int(nodes) for nodes in hidden.replace(" ", "").split(",") if nodes]
    except ValueError:
        raise click.UsageError(
            f"--hidden must be whole numbers with commas between them; got {hidden!r}. For two layers pass 32,16."
        ) from None


def _write(model: Any, output: Path | None) -> None:
    report, net = model.report, model.network
    rows, history, certificate = report.rows, report.history, report.certificate
    sizes = "-".join(str(nodes) for nodes in net.sizes)
    click.echo(f"network {sizes}, {net.n_parameters:,} parameters: {net.f[1].name}, output {net.f[-1].name}")
    click.echo(
        f"trained on {rows['trained']:,} rows by {history.rule} in {report.seconds:.1f} s: {history.epochs:,} epochs, "
        f"{history.stopped};\n{rows['stopping']:,} other rows chose the weights of epoch {history.best_epoch:,} "
        f"and the penalty l2 = {net.l2:g}"
    )
    if rows["without_target"]:
        click.echo(f"{rows['without_target']:,} rows have no target and were left out")
    click.echo()
    write_scores(report.scores, f"{rows['held_out']:,} held-out rows")
    _write_verdict(report.scores)
    if certificate.ok:
        click.echo(
            f"gradient certificate: ok; {certificate.scope},\nagree with the {certificate.oracle} to "
            f"{certificate.relative_error:.0e}, the worst at {certificate.worst.name}"
        )
    else:
        click.echo(str(certificate))
    if output is not None:
        click.echo(f"saved to {output}: chainrule predict {output} NEW.csv")


def _write_verdict(found: Any) -> None:
    for target, of_one in found.items():
        if of_one["network"].rmse > of_one["constant predictor"].rmse:
            click.echo(
                f"Warning: the network predicts {target} worse than a constant does on the held-out rows.", err=True
            )
        elif of_one["network"].rmse > of_one["linear model"].rmse:
            click.echo(f"the linear model does better on {target} here; a network may not be needed")


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
            "saved": None if output is None else str(output),
        }
    )
