"""Model: a network with what it needs to be used on a table, in the table's own units; fitted, saved and loaded.

Table in, standardised inputs and targets, network, predictions in the target's units out. Its letters: y_0 inputs and
t targets as in the table; what the network sees of both is scaled.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import index
from typing import Any

import numpy as np

from chainrule import engines, scores
from chainrule.backprop import error_terms, forward, input_gradient
from chainrule.certificate import Certificate, check
from chainrule.files import model_file
from chainrule.files.model_file import BadFile
from chainrule.network import Network
from chainrule.notation import FloatArray
from chainrule.tables import BadData, Scaling, Table, match, read_table, require_finite, split
from chainrule.training.descent import Rule
from chainrule.training.descent import rule as rule_of
from chainrule.training.history import History
from chainrule.training.loop import Diverged, WorseThanConstant, train

LEARNING_RATE = {"gradient_descent": 0.05, "momentum": 0.01, "adam": 0.003}
"""Of each rule, for standardised inputs and targets; L-BFGS chooses its own steps."""

PENALTIES = (1e-4, 1e-3, 1e-2, 3e-2)
"""Values of l2 that are tried when none is given: from none to speak of to nearly linear."""

CERTIFIED = 32
"""Patterns on which a fitted model's gradient is certified."""


@dataclass(frozen=True)
class Report:
    """What came of a fit, on rows that took no part in it.

    Attributes
    ----------
    rows : dict of str to int
        "trained", "stopping" (chose the epoch to keep), "held_out", "without_target" (left out).
    scores : dict of str to dict
        For each target, "network", "linear model" and "constant predictor" on the held-out rows: r2, rmse, mae.
    certificate : Certificate
        Of the fitted network on some of its training patterns.
    history : History
        Of the training that was kept.
    penalties : tuple of float
        The values of l2 that were tried.
    seconds : float
        That all the trainings took.
    """

    rows: Mapping[str, int]
    scores: Mapping[str, Mapping[str, scores.Scores]]
    certificate: Certificate
    history: History
    penalties: tuple[float, ...]
    seconds: float

    def __str__(self) -> str:
        """R² of network and baselines on the held-out rows, and the certificate in a line."""
        lines = [
            f"{target}, {found['network'].rows:,} held-out rows: "
            + ", ".join(f"{name} R² = {one.r2:.3f}" for name, one in found.items())
            for target, found in self.scores.items()
        ]
        checked = "ok" if self.certificate.ok else "NOT OK"
        return "\n".join([*lines, f"gradient certificate: {checked}, {self.certificate.relative_error:.0e}"])


@dataclass
class Model:
    """A network and how a table becomes its inputs and its outputs become predictions.

    Attributes
    ----------
    network : Network
    names : tuple of str
        The input columns; empty for a bare network, which takes columns by their position.
    target_names : tuple of str
        The columns it predicts; empty for a bare network.
    inputs, targets : Scaling or None
        Mean and standard deviation of each column; None leaves values as they are.
    fitted : dict
        How it was fitted: plain values, and dicts of them.
    report : Report or None
        What came of the fit; not saved.
    """

    network: Network
    names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    inputs: Scaling | None = None
    targets: Scaling | None = None
    fitted: dict[str, Any] = field(default_factory=dict)
    report: Report | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what it predicts: its targets, or y0, y1, … of a bare network."""
        return self.target_names or tuple(f"y{j}" for j in range(self.network.sizes[-1]))

    def __repr__(self) -> str:
        """Its network and columns, in short."""
        names = ", ".join(self.names[:4]) + (", …" if len(self.names) > 4 else "")
        columns = f", from {names} to {', '.join(self.target_names)}" if self.names else ""
        return f"Model({self.network!r}{columns})"

    @classmethod
    def fit(
        cls,
        table: Any,
        target: str | Sequence[str],
        *,
        hidden: Sequence[int] = (32,),
        activation: str = "tanh",
        rule: str = "adam",
        learning_rate: float | None = None,
        epochs: int = 400,
        batch_size: int | None = 32,
        patience: int | None = 30,
        l2: float | None = None,
        held_out: float = 0.2,
        engine: str = "auto",
        seed: int = 0,
        progress: bool | None = None,
    ) -> Model:
        """Fit a network to a table of numbers as it is, and report how it does on rows it has not seen.

        A part of the rows (held_out) is kept for the report alone; as large a part of the others chooses the epoch
        whose weights are kept. Inputs and targets are standardised by the rows trained on, which is undone on output.

        Parameters
        ----------
        table : path, data frame or array
            Whatever :func:`chainrule.tables.read_table` takes.
        target : str or sequence of str
            The column or columns to predict; every other column is an input. Rows without any target are left out.
        hidden : sequence of int
            Nodes of each hidden layer; empty for none.
        activation : str
            Of the hidden layers.
        rule, learning_rate, epochs, batch_size, patience, engine, seed, progress
            As for :func:`chainrule.train`; the learning rate by default fits the rule.
        l2 : float, optional
            Penalty on the weights. By default each of :data:`PENALTIES` is tried, and the network kept whose error,
            without the penalty, is the smallest on the rows that choose the epoch.
        held_out : float
            Fraction of the rows kept for the report, and of the rest for stopping.

        Returns
        -------
        Model

        Raises
        ------
        ValueError
            If something given cannot be used; BadData if that is the table.
        Diverged
            If training diverges; ``.network`` holds the last finite weights.

        Warns
        -----
        WorseThanConstant
            If the network that is kept predicts its training rows worse than the best constant.
        """
        _require_choices(target, hidden, held_out, seed)
        read = read_table(table)
        target_names = (target,) if isinstance(target, str) else tuple(target)
        y_0, t, left_out = _inputs_and_targets(read, target_names)
        seen, unseen = split(len(t), held_out=held_out, seed=seed)
        into, stopping = (seen[rows] for rows in split(len(seen), held_out=held_out, seed=seed + 1))
        _require_known(t[into], target_names)
        of_inputs, of_targets = Scaling.fit(y_0.values[into]), Scaling.fit(t[into])
        chosen = rule_of(rule)
        eta = _learning_rate(chosen, learning_rate)
        scaled, wanted = of_inputs.apply(y_0.values), of_targets.apply(t)
        penalties = PENALTIES if l2 is None else (l2,)
        sizes, activations = [len(y_0.names), *hidden, len(target_names)], [activation] * len(hidden) + ["identity"]
        started = time.perf_counter()
        net, history = _best_of(
            [Network(sizes, activations, seed=seed, l2=penalty) for penalty in penalties],
            y_0.names,
            inputs=scaled[into],
            targets=wanted[into],
            rule=chosen,
            learning_rate=0.0 if eta is None else eta,
            epochs=epochs,
            batch_size=batch_size,
            validation=(scaled[stopping], wanted[stopping]),
            engine=engine,
            seed=seed,
            patience=patience,
            progress=progress,
        )
        seconds = time.perf_counter() - started
        if history.warning:
            warnings.warn(history.warning, WorseThanConstant, stacklevel=2)
        rows = {"trained": len(into), "stopping": len(stopping), "held_out": len(unseen), "without_target": left_out}
        fitted = {
            "table": read.origin,
            "rows": rows,
            "rule": chosen.name,
            "learning_rate": None if eta is None else float(eta),
            "batch_size": None if batch_size is None or chosen.whole else index(batch_size),
            "l2": net.l2,
            "epochs": history.epochs,
            "best_epoch": history.best_epoch,
            "seed": index(seed),
        }
        model = cls(net, y_0.names, target_names, of_inputs, of_targets, fitted)
        model.report = Report(
            rows=rows,
            scores=model._scores(y_0.values, t, seen, unseen),
            certificate=check(net, scaled[into[:CERTIFIED]], wanted[into[:CERTIFIED]]),
            history=history,
            penalties=penalties,
            seconds=seconds,
        )
        return model

    def _scores(self, y_0: FloatArray, t: FloatArray, seen: Any, unseen: Any) -> dict[str, dict[str, scores.Scores]]:
        """On the unseen rows, beside the linear model and the constant, both fitted to all the seen ones."""
        constant = np.broadcast_to(Scaling.fit(t[seen]).mean, t[unseen].shape)
        predictions = {
            "network": self._predict(y_0[unseen]),
            "linear model": scores.linear_predictions(y_0[seen], t[seen], y_0[unseen]),
            "constant predictor": constant,
        }
        return self._scored(t[unseen], predictions)

    def _scored(self, t: FloatArray, predictions: Mapping[str, FloatArray]) -> dict[str, dict[str, scores.Scores]]:
        of_each = {name: scores.regression(t, said) for name, said in predictions.items()}
        return {output: {name: found[j] for name, found in of_each.items()} for j, output in enumerate(self.outputs)}

    def predict(self, table: Any) -> FloatArray:
        """Predictions (rows, targets) in the targets' units, one row for each row of the table, in its order.

        Parameters
        ----------
        table : path, data frame or array
            Columns are found by name; others may stand among them. An array has the input columns alone, in order.

        Raises
        ------
        BadData
            If a column is missing, a value is not finite, or the network's output for it is not.
        """
        read = match(self._read(table), self.names or tuple(f"x{k}" for k in range(self.network.sizes[0])))
        require_finite(read)
        predictions = self._predict(read.values)
        if not np.isfinite(predictions).all():
            row, j = (int(n) for n in np.argwhere(~np.isfinite(predictions))[0])
            raise BadData(
                f"inputs must be of a size that the network can take; {read.where(row)} makes its output "
                f"{predictions[row, j]}. Correct the row or drop it."
            )
        return predictions

    def _read(self, table: Any) -> Table:
        """The table; a bare network takes the columns of any by position, for it knows no names."""
        read = read_table(table)
        return read if self.names else replace(read, named=False)

    def _predict(self, y_0: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):  # what overflows is not finite, and that is what is looked at
            scaled = y_0 if self.inputs is None else self.inputs.apply(y_0)
            outputs = engines.load().predict(self.network, scaled.astype(self.network.dtype)).astype(np.float64)
        return outputs if self.targets is None else self.targets.undo(outputs)

    def patterns(self, table: Any) -> tuple[FloatArray, FloatArray]:
        """Inputs and targets of a table as the network sees them, (rows, inputs) and (rows, targets).

        Raises
        ------
        BadData
            If a column is missing, an input is not finite, or a target is infinite.
        """
        read_inputs, t = self._inputs_and_targets(table)
        scaled = read_inputs.values if self.inputs is None else self.inputs.apply(read_inputs.values)
        return scaled, t.values if self.targets is None else self.targets.apply(t.values)

    def _inputs_and_targets(self, table: Any) -> tuple[Table, Table]:
        """Both parts of a table; side by side for a bare network."""
        read = self._read(table)
        if self.names:
            read_inputs, t = match(read, self.names), match(read, self.target_names)
        else:
            outputs = self.network.sizes[-1]
            if len(read.names) != self.network.sizes[0] + outputs:
                raise BadData(
                    f"{read.origin} must have {self.network.sizes[0]} input columns followed by {outputs} of targets; "
                    f"got {len(read.names)}. Put them side by side."
                )
            read_inputs, t = read.select(read.names[:-outputs]), read.select(read.names[-outputs:])
        require_finite(read_inputs)
        require_finite(t, argument="targets", missing_allowed=True)
        return read_inputs, t

    def evaluate(self, table: Any) -> dict[str, dict[str, scores.Scores]]:
        """Scores of the network on a table with its targets, beside the constant that was their mean in training.

        Returns
        -------
        dict
            For each target "network" and, unless it is bare, "constant predictor": r2, rmse, mae.
        """
        read_inputs, t = self._inputs_and_targets(table)
        if np.isnan(t.values).all():
            raise BadData(f"targets must be known in some rows of {t.origin}; got none. Pass a table with the truth.")
        predictions = {"network": self.predict(read_inputs)}
        if self.targets is not None:
            predictions["constant predictor"] = np.broadcast_to(self.targets.mean, t.values.shape)
        return self._scored(t.values, predictions)

    def check(self, table: Any, rows: int = CERTIFIED) -> Certificate:
        """The certificate of the network's gradient on the first rows of a table that know a target."""
        y_0, t = self.patterns(table)
        known = np.flatnonzero(~np.isnan(t).all(axis=1))[:rows]
        if not known.size:
            raise BadData("targets must be known in some rows; got none. Pass a table with the truth.")
        return check(self.network, y_0[known], t[known])

    def pattern(self, table: Any, row: int) -> dict[str, Any]:
        """Back-propagation of one row of a table, as plain data, in the paper's letters and as the network sees it.

        Parameters
        ----------
        row : int
            As messages count: from 1 in a file, from 0 in an array or a data frame.

        Returns
        -------
        dict
            "E_p", and "layers": for each layer lists x, y, e over its nodes; d, the derivative of E_p by each input, in
            layer 0, and t in the last.
        """
        read = read_table(table)
        n = row - read.first_row
        if not 0 <= n < len(read.values):
            raise BadData(
                f"row must be one of {read.origin}, {read.first_row} to {len(read.values) - 1 + read.first_row}; got "
                f"{row}. Choose another."
            )
        y_0, t = self.patterns(replace(read, values=read.values[n : n + 1], first_row=row, path=None))
        net = self.network
        trace = forward(net, y_0)
        e = error_terms(net, trace, t)
        layers: list[dict[str, Any]] = [{"y": trace.y[0][0].tolist(), "d": input_gradient(net, e)[0].tolist()}]
        layers += [
            {"x": trace.x[i][0].tolist(), "y": trace.y[i][0].tolist(), "e": e[i][0].tolist()}
            for i in range(1, net.depth + 1)
        ]
        layers[-1]["t"] = t[0].tolist()
        E_p = float(net.objective.errors(net.f[-1], t, trace.x[-1], trace.y[-1])[0])
        return {"E_p": E_p, "layers": layers}


def _learning_rate(rule: Rule, given: float | None) -> float | None:
    """The one that is given or fits the rule; None for a rule that has none."""
    if rule.whole:
        if given is not None:
            raise ValueError(f"learning_rate must be left out for rule {rule.name!r}; got {given!r}. It has none.")
        return None
    if given is None and rule.name not in LEARNING_RATE:
        raise ValueError(f"learning_rate must be given for rule {rule.name!r}, which is your own; got none. Pass one.")
    return LEARNING_RATE[rule.name] if given is None else given


def _best_of(starts: Sequence[Network], names: Sequence[str], **options: Any) -> tuple[Network, History]:
    """Train each network; the one with the smallest error on the stopping rows, without its penalty, and its run."""
    runs, diverged = [], None
    for start in starts:
        try:
            runs.append(train(start, warn=False, **options))
        except Diverged as error:
            diverged = error
    if not runs and diverged is not None:
        diverged.name = f"column {names[diverged.column]!r}, standardised"
        raise diverged
    return min(runs, key=lambda run: run[1].best_validation)


def save(model: Model | Network, path: str | os.PathLike[str]) -> None:
    """Write a model to a file that holds data and no code, whole or not at all.

    Parameters
    ----------
    model : Model or Network
        A bare network is saved as a model without columns and scaling.
    path : path
        An existing file is replaced once the new one has been written and read back.

    Raises
    ------
    ValueError
        If a weight is not finite or an activation or objective is of your own.
    OSError
        If the file cannot be written; what stood there before is untouched.
    """
    spec, arrays = _as_data(Model(model) if isinstance(model, Network) else model)
    _from_data(spec, arrays)  # what could not be loaded is not saved
    model_file.write(path, spec, arrays)


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model that :func:`save` wrote; nothing in the file is executed.

    Raises
    ------
    BadFile
        If the file is not a model, is damaged, or holds anything that save would not write.
    OSError
        If it cannot be opened.
    """
    spec, arrays = model_file.read(path)
    try:
        return _from_data(spec, arrays)
    except KeyError as error:
        why = f"it has no {error}"
    except (TypeError, AttributeError, RecursionError):
        why = "it does not describe a model as save does"
    except ValueError as error:
        why = f"{str(error).split('. ')[0]:.200}"
    raise BadFile(f"{os.fspath(path)!r} is not a valid model file: {why}. Do not use it; Chainrule did not write it.")


def _as_data(model: Model) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """What a file holds of a model: a specification and arrays."""
    arrays: dict[str, FloatArray] = {"theta": np.asarray(model.network.theta)}
    for name, scaling in (("inputs", model.inputs), ("targets", model.targets)):
        if scaling is not None:
            arrays |= {f"{name}.mean": scaling.mean, f"{name}.sd": scaling.sd}
    spec = {
        "network": model.network.to_spec(),
        "names": list(model.names),
        "target_names": list(model.target_names),
        "fitted": model.fitted,
    }
    return spec, arrays


def _from_data(spec: dict[str, Any], arrays: dict[str, FloatArray]) -> Model:
    """The model of :func:`_as_data`, and of nothing that it would not write."""
    net = Network.from_spec(spec["network"], arrays["theta"])
    model = Model(
        net,
        _names("names", spec["names"], net.sizes[0]),
        _names("target_names", spec["target_names"], net.sizes[-1]),
        _scaling("inputs", arrays, net.sizes[0]),
        _scaling("targets", arrays, net.sizes[-1]),
        spec["fitted"],
    )
    values = [v for one in model.fitted.values() for v in (one.values() if isinstance(one, dict) else (one,))]
    if any(isinstance(value, dict | list | tuple) for value in values):
        raise ValueError("fitted must hold plain values and dicts of them; got deeper ones. Keep them elsewhere.")
    again, arrays_again = _as_data(model)
    if repr(again) != repr(spec) or set(arrays_again) != set(arrays):
        raise ValueError("a model must hold what save writes and nothing else; got something else. Save it again.")
    return model


def _names(argument: str, names: Any, nodes: int) -> tuple[str, ...]:
    if names and (len(names) != nodes or len(set(names)) != nodes or not all(isinstance(name, str) for name in names)):
        raise ValueError(
            f"{argument} must be {nodes} different texts, one a node, or none; got {names!r:.200}. Correct them."
        )
    return tuple(names)


def _scaling(argument: str, arrays: dict[str, FloatArray], nodes: int) -> Scaling | None:
    if f"{argument}.mean" not in arrays and f"{argument}.sd" not in arrays:
        return None
    scaling = Scaling(arrays[f"{argument}.mean"], arrays[f"{argument}.sd"])
    if scaling.mean.shape != (nodes,) or scaling.sd.shape != (nodes,) or not (scaling.sd > 0).all():
        raise ValueError(
            f"{argument} must be scaled by {nodes} means and standard deviations above 0, one a node; got something "
            "else. Use Scaling.fit."
        )
    return scaling


def _require_choices(target: Any, hidden: Any, held_out: Any, seed: Any) -> None:
    """Refuse what would fail inside with a message that names none of these."""
    if not isinstance(target, str) and not (np.iterable(target) and all(isinstance(name, str) for name in target)):
        raise ValueError(
            f"target must be the name of a column or a list of names; got {target!r:.200}. The columns of an array are "
            "'x0', 'x1' and so on."
        )
    if isinstance(hidden, str) or not np.iterable(hidden):
        raise ValueError(
            f"hidden must be a list with the nodes of each hidden layer; got {hidden!r:.200}. For one layer of 32 "
            "nodes pass [32]; for none, []."
        )
    if not isinstance(held_out, int | float | np.number):
        raise ValueError(
            f"held_out must lie between 0 and 1; got {held_out!r:.200}. Pass 0.2 to hold out every fifth row."
        )
    if not isinstance(seed, int | np.integer):
        raise ValueError(
            f"seed must be a whole number from 0 up; got {seed!r:.200}. The same seed gives the same model."
        )


def _require_known(t: FloatArray, target_names: tuple[str, ...]) -> None:
    for j, name in enumerate(target_names):
        if np.isnan(t[:, j]).all():
            raise BadData(
                f"target {name!r:.200} must be known in some of the rows that are trained on; got it in none. "
                "Add rows that know it, or leave it out."
            )


def _inputs_and_targets(table: Table, target_names: tuple[str, ...]) -> tuple[Table, FloatArray, int]:
    """Input columns, targets (rows, targets), and how many rows were left out because they know no target."""
    t = table.select(target_names, argument="target")
    y_0 = table.without(target_names)
    if not target_names or len(set(target_names)) != len(target_names) or not y_0.names:
        raise BadData(
            f"target must name one or more columns once each and leave one for the inputs; got {list(target_names)} of "
            f"{len(table.names)} columns. Name the columns to predict."
        )
    require_finite(t, argument="targets", missing_allowed=True)
    known = np.asarray(~np.isnan(t.values).all(axis=1))
    require_finite(replace(y_0, values=np.where(known[:, None], y_0.values, 0.0)))
    if known.sum() < 3:
        raise BadData(
            f"{table.origin} must have 3 rows or more with a known target, to train, to stop and to judge; got "
            f"{int(known.sum())}. Add rows."
        )
    rows = np.flatnonzero(known)
    return replace(y_0, values=y_0.values[rows], path=None), t.values[rows], len(known) - len(rows)


def scores_to_dict(found: Mapping[str, Mapping[str, scores.Scores]]) -> dict[str, Any]:
    """Scores as plain data."""
    return {target: {name: asdict(one) for name, one in of_one.items()} for target, of_one in found.items()}
