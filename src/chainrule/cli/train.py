"""`chainrule train`: from a table to a model, judged on rows it has not seen."""

from __future__ import annotations

import difflib
import shlex
import tomllib
import warnings
from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import (
    dialect_options,
    force_option,
    json_option,
    one_or_all,
    printable,
    require_new,
    tables_argument,
    write_json,
    write_lines,
    write_scores,
    write_table,
)

SHOWN_TRIALS = 10


def _configured(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    """Take what a TOML file says as the defaults of the other options."""
    if path is None:
        return
    try:
        with path.open("rb") as file:
            given = tomllib.load(file)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise click.UsageError(f"--config must be a TOML file; got {str(path)!r} ({why}). Correct it.") from None
    known = {_key(one): one for one in ctx.command.params if one.name not in {"config", "help"}}
    values: dict[str, Any] = {}
    for key, value in given.items():
        option = known.get(key.replace("_", "-"))
        if option is None:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"It may hold {', '.join(sorted(known))}."
            raise click.UsageError(f"--config must hold options of train; got {key!r} in {str(path)!r}. {hint}")
        flag = getattr(option, "is_flag", False)
        each = value if isinstance(value, list) else [value]
        if not isinstance(value, bool) if flag else not all(type(one) in {str, int, float} for one in each):
            kind = "true or false" if flag else "text, a number or a list of them"
            raise click.UsageError(
                f"--config must give {key!r} as {kind}; got {value!r:.60} in {str(path)!r}. Correct it."
            )
        several = option.nargs == -1 or getattr(option, "multiple", False)
        words = [*map(str, each)]
        values[str(option.name)] = value if flag else words if several else ",".join(words)
    ctx.default_map = values


def _key(parameter: click.Parameter) -> str:
    """What an option is called in a file: its name on the command line."""
    return parameter.opts[0].lstrip("-") if isinstance(parameter, click.Option) else "table"


@click.command("train")
@tables_argument
@click.option("--target", "-t", multiple=True, required=True, help="Column to predict; may be given several times.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File to save the model to.")
@force_option
@click.option(
    "--ignore", "-i", multiple=True, metavar="COLUMN", help="Column to leave out; may be given several times."
)
@click.option("--text", multiple=True, metavar="COLUMN", help="Column whose numbers are names, such as postal codes.")
@click.option(
    "--missing", type=click.Choice(["mean"]), help="Fill missing inputs and mark them; else they are refused."
)
@click.option("--task", type=click.Choice(["regression", "classification"]), help="By default found from the target.")
@click.option(
    "--cv", type=click.IntRange(2), metavar="K", help="Judge by K-fold cross-validation, then train on all rows."
)
@click.option("--held-out", type=float, help="Fraction of the rows kept to judge by, 0.2 by default; 0 for none.")
@click.option("--refit", is_flag=True, help="Once it is judged, train the model that is saved on all rows.")
@click.option(
    "--search", type=float, metavar="SECONDS", help="Try other networks and rules too, for so long (in each fold)."
)
@click.option("--hidden", help="Nodes of each hidden layer, like 32,16; '' for none. By default chosen.")
@click.option("--activation", help="Activation of the hidden layers; tanh by default.")
@click.option("--l2", type=float, help="Penalty on the squares of the weights. By default chosen.")
@click.option(
    "--solver",
    help="Train so, and try no other ways: bayesian (with error bars), lbfgs, adam …; auto chooses by rows and task.",
)
@click.option(
    "--ensemble",
    type=click.IntRange(1),
    metavar="N",
    help="Networks that predict together; by default 10 for bayesian.",
)
@click.option("--rule", help="Update rule, such as lbfgs or adam. By default one that fits the number of rows.")
@click.option("--learning-rate", type=float, help="By default one that fits the rule.")
@click.option(
    "--warm-up",
    type=click.FloatRange(0),
    metavar="EPOCHS",
    help="Let the learning rate rise over so many epochs first.",
)
@click.option(
    "--schedule",
    default="constant",
    show_default=True,
    help="Of the learning rate: constant, step, cosine or plateau.",
)
@click.option("--clip", type=float, help="Largest norm of the gradient of an update.")
@click.option("--epochs", type=click.IntRange(1), help="At most so many passes over the rows.")
@click.option("--batch-size", type=click.IntRange(0), help="Rows an update; 0 for all.")
@click.option(
    "--patience",
    default=20,
    show_default=True,
    type=click.IntRange(0),
    help="Epochs without improvement before it stops; 0 for never.",
)
@click.option(
    "--seed", default=0, show_default=True, help="Of held-out rows, start and order: the same gives the same model."
)
@click.option(
    "--log", type=click.Path(path_type=Path), help="File for E per epoch: .jsonl or .csv; or a folder for TensorBoard."
)
@click.option("--plot", type=click.Path(path_type=Path), help="Picture of the result to write: .png, .svg or .pdf.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    callback=_configured,
    is_eager=True,
    expose_value=False,
    help="TOML file with options, by their names.",
)
@click.option("--stream/--no-stream", default=None, help="Read window by window; by default where the table is large.")
@dialect_options
@json_option
def command(
    tables: tuple[Path, ...],
    target: tuple[str, ...],
    output: Path | None,
    force: bool,
    hidden: str | None,
    patience: int,
    log: Path | None,
    plot: Path | None,
    schedule: str,
    warm_up: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network on a TABLE and judge it on unseen rows.

    TABLE is a file (CSV and its relatives, Parquet, Arrow, NumPy), several, or a folder of them; every column but the
    targets is an input. Values are taken as they are: encoding and scaling are done inside and undone on output. What
    is not given is chosen on the training rows alone. The report compares the network with a linear model and with
    always saying the same, on the same rows, and certifies its gradient.
    """
    from chainrule.model import Model, save
    from chainrule.plots import require_picture
    from chainrule.training.loop import Interrupted
    from chainrule.training.schedules import schedule as schedule_of

    require_new(output, force, *tables)
    require_new(plot, force, *tables, option="--plot")
    if plot is not None:
        require_picture(plot)
    callbacks = [] if log is None else [_Log(log, force, tables)]
    try:
        model = Model.fit(
            one_or_all(tables),
            target,
            hidden=None if hidden is None else _layers(hidden),
            patience=patience or None,
            schedule=schedule if warm_up is None else schedule_of(schedule, warm_up=warm_up),
            callbacks=callbacks,
            **options,
        )
    except KeyboardInterrupt as error:
        unfinished = error.model if isinstance(error, Interrupted) else None
        if output is not None and unfinished is not None:
            save(unfinished, output)
            outcome = f"the best weights so far were saved to {printable(output)}, with no report"
        else:
            why = "no network was trained yet" if unfinished is None else "-o names no file"
            outcome = f"nothing was saved, for {why}"
        click.echo(f"Error: training was interrupted; {outcome}.", err=True)
        raise SystemExit(130) from None
    saved = drawn = None
    try:
        if output is not None:
            save(model, output)
            saved = output
        if plot is not None:
            from chainrule.plots import save_report

            save_report(model, plot)
            drawn = plot
    finally:  # what came of the training is said, whatever cannot be written
        if as_json:
            _write_json(model, saved)
        else:
            _write(model, saved, drawn)
        _warn_of_worse(model)
    if model.report is not None and not model.report.certificate.ok:
        raise SystemExit(1)


class _Log:
    """The logger of a file or folder; where that cannot be written any more, training goes on without."""

    def __init__(self, path: Path, force: bool, tables: tuple[Path, ...]) -> None:
        from chainrule.training import loggers

        kinds = {".jsonl": loggers.JSONLLogger, ".csv": loggers.CSVLogger, "": loggers.TensorBoardLogger}
        if path.suffix not in kinds:
            raise click.UsageError(f"--log must end in .jsonl or .csv, or be a folder; got {str(path)!r}. Rename it.")
        if path.suffix:
            require_new(path, force, *tables, option="--log")
        self._logger: Any = kinds[path.suffix](path)

    def before_epoch(self, run: Any) -> None:
        self._try("before_epoch", run)

    def after_epoch(self, run: Any) -> None:
        self._try("after_epoch", run)

    def close(self) -> None:
        self._try("close")

    def _try(self, what: str, *given: Any) -> None:
        try:
            getattr(self._logger, what, lambda *_: None)(*given)
        except OSError as error:
            self._logger = None
            warnings.warn(f"{error} Training goes on without --log.", stacklevel=2)


def _layers(hidden: str) -> list[int]:
    layers = hidden.replace(" ", "").split(",") if hidden.strip() else []
    if not all(nodes.isascii() and nodes.isdigit() and int(nodes) for nodes in layers):
        raise click.UsageError(
            f"--hidden must be whole numbers from 1 up with commas between them; got {hidden!r}. For two layers of 32 "
            "and 16 nodes pass 32,16."
        )
    return [int(nodes) for nodes in layers]


def _write(model: Any, output: Path | None, plot: Path | None) -> None:
    report, net = model.report, model.network
    rows, certificate, choice = report.rows, report.certificate, report.choice
    for note in report.notes:
        write_lines(note)
    sizes = "-".join(str(nodes) for nodes in net.sizes)
    hidden = f"{net.f[1].name}, " if net.depth > 1 else ""
    count = len(choice.histories)
    network, each = (f"{count} networks", " each") if count > 1 else ("network", "")
    write_lines(
        f"{model.task}: {network} {sizes}, {net.n_parameters:,} parameters{each}: {hidden}output {net.f[-1].name}"
    )
    write_lines(_columns(model.encoding))
    trained, held = _counted(rows["trained"], "row"), _counted(rows["held_out"], "row")
    if report.folds:
        write_lines(f"judged by {len(report.folds)}-fold cross-validation, then trained on all {trained}")
    elif not rows["held_out"]:
        write_lines(f"trained on all {trained}, with none held out to judge it")
    else:
        known = rows["trained"] + (0 if report.refitted else rows["held_out"] + rows["stopping"])
        held += f" ({rows['held_out'] / known:.0%}) held out"
        then = f"judged with {held}, then trained once more on all {trained}"
        write_lines(then if report.refitted else f"trained on {trained}, with {held} to judge it")
    if choice.trials:
        by = (
            f"{_counted(choice.stopping, 'other row')}"
            if choice.stopping
            else "cross-validation within the training rows"
        )
        write_lines(f"{_best_of(choice)} by {by}: {choice.settings}")
    _write_training(report)
    if rows["without_target"]:
        write_lines(f"left out for want of a target: {_counted(rows['without_target'], 'row')}")
    click.echo()
    if choice.searched:
        _write_trials(choice)
    if report.scores:
        by_folds = f"rows, {len(report.folds)}-fold cross-validation: means ± standard deviation"
        what = by_folds if report.folds else "held-out rows"
        write_scores(report.scores, what, model.targets, report.folds)
    for target, found in report.scores.items():
        name = "rmse" if model.task == "regression" else "log_loss"
        network, linear = getattr(found["network"], name), getattr(found.get("linear model"), name, float("inf"))
        if target not in report.still and linear < network <= getattr(found["constant predictor"], name):
            write_lines(f"the linear model does better on {target} here; a network may not be needed")
    if certificate.ok:
        write_lines(
            f"gradient certificate: ok; checked {certificate.scope}; the worst, {certificate.worst.name}, differs from "
            f"the {certificate.oracle} by {certificate.relative_error:.0e}"
        )
    else:
        click.echo(str(certificate))
    if plot is not None:
        click.echo(f"picture in {printable(plot)}")
    if output is not None:
        click.echo(printable(f"saved to {output}: chainrule predict {shlex.quote(str(output))} NEW.csv"))
    else:
        click.echo("not saved: -o FILE saves the model")


def _write_training(report: Any) -> None:
    """How it went, and why so."""
    history, choice = report.history, report.choice
    name = history.rule
    if choice.why:
        write_lines(f"{name}: {choice.why}")
        name = "the first network" if len(choice.histories) > 1 else "the network"
    best = f", kept epoch {history.best_epoch:,}" if history.validation or history.rule == "bayesian" else ""
    write_lines(f"{name}: {_counted(history.epochs, 'epoch')} ({_ended(report)}){best}; {report.seconds:.1f} s in all")


def _columns(encoding: Any) -> str:
    """How the columns became inputs, in a line."""
    kinds = [field.kind for field in encoding.fields]
    of_kind = [_counted(kinds.count(kind), kind) for kind in ("number", "boolean", "text") if kind in kinds]
    gaps = sum(field.indicator for field in encoding.fields)
    filled = f", with gaps filled and marked in {gaps}" if gaps else ""
    inputs, columns = _counted(len(encoding.inputs), "input"), _counted(len(kinds), "column")
    return f"{inputs} from {columns}: {', '.join(of_kind)}{filled}"


def _write_trials(choice: Any) -> None:
    """The best of what was tried, with E of the rows that it was judged on."""
    ranked = sorted(choice.trials, key=lambda trial: trial.error)
    rows = [
        (str(one.settings), f"{one.error:.4f}", f"{one.spread:.4f}", f"{one.seconds:.1f}")
        for one in ranked[:SHOWN_TRIALS]
    ]
    if choice.stopping:  # one part of the rows judged them, which says nothing of chance
        write_table(_best_of(choice), ("way", "E", "s"), [(way, error, seconds) for way, error, _, seconds in rows])
        return
    write_table(_best_of(choice), ("way", "E", "±", "s"), rows)
    close = sum(one.error <= ranked[0].error + ranked[0].spread for one in ranked)
    which = f"the first {close:,} are within that of the best, and chance may have ordered them"
    write_lines(
        "± is the standard deviation of E over the folds; "
        + (which if close > 1 else "no other way is within that of the best")
    )
    click.echo()


def _best_of(choice: Any) -> str:
    count = len(choice.trials)
    return f"the best of {count:,} ways of training" if count > 1 else "the only way of training that was tried"


def _ended(report: Any) -> str:
    """Why training ended after so many epochs, in plain words."""
    history = report.history
    if history.stopped != "all epochs run":
        return str(history.stopped)
    most = max((trial.settings.epochs for trial in report.choice.trials), default=0)
    return "as many as did best while choosing" if history.epochs < most else "the most allowed"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _warn_of_worse(model: Any) -> None:
    name = "rmse" if model.task == "regression" else "log_loss"
    for warning in model.report.warnings:
        click.echo(f"Warning: {printable(warning)}", err=True)
    for target, found in model.report.scores.items():
        if target in model.report.still:
            continue
        if getattr(found["network"], name) > getattr(found["constant predictor"], name):
            rows = "in cross-validation" if model.report.folds else "on the held-out rows"
            click.echo(
                f"Warning: the network predicts {printable(target)} worse than a constant does {rows}.", err=True
            )


def _write_json(model: Any, output: Path | None) -> None:
    from chainrule.model import scores_to_dict

    report = model.report
    write_json(
        {
            "task": model.task,
            "sizes": list(model.network.sizes),
            "parameters": model.network.n_parameters,
            "inputs": list(model.names),
            "targets": list(model.target_names),
            "rows": dict(report.rows),
            "refitted": report.refitted,
            "notes": [*report.notes],
            "warnings": [*report.warnings],
            "chosen": report.choice.settings.to_dict(),
            "trials": [trial.to_dict() for trial in report.choice.trials],
            "scores": scores_to_dict(report.scores),
            "folds": [scores_to_dict(fold) for fold in report.folds],
            "certificate": report.certificate.to_dict(),
            "history": report.history.to_dict(),
            "networks": max(1, len(report.choice.histories)),
            "why": report.choice.why,
            "seconds": report.seconds,
            "saved": None if output is None else str(output),
        }
    )
