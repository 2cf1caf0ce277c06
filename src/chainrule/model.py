"""Model: a network with what it needs to be used on a table, in the table's own units; fitted, saved and loaded.

Table in, encoded and standardised inputs, network, predictions in the targets' own terms out. Its letters: y_0 inputs
and t targets, as the network sees them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import numpy as np

from chainrule import engines, fitting, scores, streaming
from chainrule.backprop import error_terms, forward, gradient, input_gradient
from chainrule.certificate import Certificate, check
from chainrule.choosing import Given
from chainrule.files import model_file
from chainrule.files.model_file import BadFile
from chainrule.fitting import CERTIFIED, Report
from chainrule.mixture import Mixture
from chainrule.network import Network
from chainrule.notation import Array, FloatArray
from chainrule.scores import Scored
from chainrule.tables import BadData, Blocks, Dialect, Encoding, Scaling, Table, Targets, open_blocks, read_table
from chainrule.tables.encoding import Field, field_of, spec_of
from chainrule.tables.table import Text, listed


@dataclass
class Model:
    """A network, or several, and how a table becomes their inputs and their outputs become predictions.

    Attributes
    ----------
    network : Network
    encoding : Encoding or None
        The input columns; None for a bare network, which takes columns by their position.
    inputs : Scaling or None
        Mean and standard deviation of each encoded input; None leaves values as they are.
    targets : Targets or None
        The target columns, the task, and the targets' scaling; None for a bare network.
    fitted : dict
        How it was fitted: plain values, and dicts of them.
    report : Report or None
        What came of the fit; not saved.
    mixture : Mixture or None
        The networks that a solver trained, of which ``network`` is the first; their mean is what is predicted.
    """

    network: Network
    encoding: Encoding | None = None
    inputs: Scaling | None = None
    targets: Targets | None = None
    fitted: dict[str, Any] = field(default_factory=dict)
    report: Report | None = None
    mixture: Mixture | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The input columns; empty for a bare network."""
        return () if self.encoding is None else self.encoding.names

    @property
    def target_names(self) -> tuple[str, ...]:
        """The columns it predicts; empty for a bare network."""
        return () if self.targets is None else self.targets.names

    @property
    def task(self) -> str:
        """What it does: "regression" or "classification"."""
        return "regression" if self.targets is None else self.targets.task

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what it predicts: its targets, or y0, y1, … of a bare network."""
        return self.target_names or tuple(f"y{j}" for j in range(self.network.sizes[-1]))

    @property
    def probability_names(self) -> tuple[str, ...]:
        """Names of the columns of :meth:`probabilities`: target=level."""
        fields = () if self.targets is None or self.task == "regression" else self.targets.fields
        return tuple(f"{one.name}={level}" for one in fields for level in one.levels)

    def __repr__(self) -> str:
        """Its network and columns, in short."""
        names = ", ".join(self.names[:4]) + (", …" if len(self.names) > 4 else "")
        columns = f", from {names} to {', '.join(self.target_names)}" if self.names else ""
        return f"Model({self.network!r}{columns})"

    @classmethod
    def fit(
        cls,
        table: Any,
        target: Any,
        *,
        ignore: Sequence[str] = (),
        text: Sequence[str] = (),
        missing: str | None = None,
        task: str | None = None,
        hidden: Sequence[int] | None = None,
        activation: str | None = None,
        solver: str | None = None,
        ensemble: int | None = None,
        rule: str | None = None,
        learning_rate: float | None = None,
        schedule: Any = "constant",
        clip: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        patience: int | None = 20,
        l2: float | None = None,
        held_out: float | None = None,
        cv: int | None = None,
        refit: bool = False,
        search: float | None = None,
        engine: str = "auto",
        seed: int = 0,
        progress: bool | None = None,
        callbacks: Sequence[Any] = (),
        dialect: Any = None,
        stream: bool | None = None,
    ) -> Model:
        """Fit a network to a table as it is, and report how it does on rows it has not seen.

        What is not given is chosen on the training rows alone, by the rule of :mod:`chainrule.choosing`. Inputs are
        encoded and standardised by the rows trained on, and so are the targets of a regression, which is undone on
        output.

        Parameters
        ----------
        table : path, paths, data frame or array
            Whatever :func:`chainrule.tables.read_table` takes.
        target : str, sequence of str, or array of shape (rows,) or (rows, targets)
            The column or columns to predict, or their values; every other column is an input. Rows without any target
            are left out.
        ignore : sequence of str
            Columns that are left out.
        text : sequence of str
            Columns whose numbers are names, such as postal codes: they are taken as texts.
        missing : {None, "mean"}
            Whether missing inputs are refused, or are the mean of their column and have an indicator.
        task : {None, "regression", "classification"}
            By default texts, booleans and categories are classes, numbers a regression.
        hidden : sequence of int, optional
            Nodes of each hidden layer; empty for none.
        activation : str, optional
            Of the hidden layers; tanh by default.
        solver : str, optional
            Train without trying ways of training: "bayesian" (regularisation by the evidence, with error bars),
            "levenberg_marquardt", "lbfgs", "adam" and so on; or "auto", which chooses by rows, parameters and task.
        ensemble : int, optional
            Networks that a solver trains, from different starts: 10 for "bayesian", else 1; 5 where "auto" takes Adam.
        rule, learning_rate, schedule, clip, epochs, patience, engine, seed, progress, callbacks
            As for :func:`chainrule.train`.
        batch_size : int, optional
            Rows an update; 0 for all.
        l2 : float, optional
            Penalty on the weights.
        held_out : float, optional
            Fraction of the rows kept for the report, 0.2 by default; 0 for no report.
        cv : int, optional
            Judge by a cross-validation of so many folds in place of held-out rows, and train on all rows then.
        refit : bool
            Train once more on all rows after the report, as was chosen before it.
        search : float, optional
            Seconds to spend on trying other networks and rules too.
        dialect : Dialect, optional
            How a text file is written, where that is not found out, and the words that mark gaps in any table; these
            and the decimal mark are remembered.
        stream : bool, optional
            Whether files are read window by window, and not into memory: by default if they hold more than
            :data:`chainrule.streaming.STREAMED` bytes as float64. Then what is not given is chosen on some of the rows.

        Returns
        -------
        Model

        Raises
        ------
        ValueError
            If something given cannot be used; BadData if that is the table.
        Diverged
            If training diverges; ``.network`` holds the last finite weights.
        Interrupted
            On Ctrl-C; ``.model`` is the best model so far.

        Warns
        -----
        WorseThanConstant
            If the network that is kept predicts its training rows worse than the best constant.
        """
        fitted = fitting.fit(
            cls,
            table,
            target,
            ignore=ignore,
            text=text,
            missing=missing,
            task=task,
            given=Given(
                hidden,
                activation,
                l2,
                rule,
                learning_rate,
                epochs,
                batch_size,
                patience,
                schedule,
                clip,
                solver,
                ensemble,
            ),
            held_out=held_out,
            cv=cv,
            refit=refit,
            search=search,
            engine=engine,
            seed=seed,
            progress=progress,
            callbacks=callbacks,
            dialect=dialect,
            stream=stream,
        )
        return cast(Model, fitted)

    def compared(self, y_0: Any, known: FloatArray, new: Any, truth: FloatArray) -> tuple[Scored, FloatArray]:
        """Scores on new encoded inputs beside the linear model fitted to others, and what the network said."""
        linear = None
        if isinstance(y_0, np.ndarray) and self.task == "regression":
            linear = [*scores.linear_predictions(y_0, known, new).T]
        elif isinstance(y_0, np.ndarray) and self.targets is not None:
            linear = [
                scores.logistic_probabilities(y_0, known[:, j], len(one.levels), new)
                for j, one in enumerate(self.targets.fields)
            ]
        outputs = self._outputs(new)
        return self._scores(truth, outputs, self._interval(new), linear), self._said(outputs)

    def _said(self, outputs: FloatArray) -> FloatArray:
        """Numbers (rows, targets), or the probabilities of all levels."""
        if self.targets is None or self.task == "regression":
            return self._decoded(outputs)
        return np.hstack(self.targets.probabilities(outputs))

    def _scores(
        self,
        truth: FloatArray,
        outputs: FloatArray,
        interval: FloatArray | None = None,
        linear: Sequence[FloatArray] | None = None,
    ) -> Scored:
        """Scores of the network's outputs and intervals, of a linear model, and always saying the same."""
        classes = self.task == "classification"
        said: dict[str, Sequence[FloatArray]] = {"network": [*self._decoded(outputs).T]}
        if self.targets is not None and classes:
            said["network"] = self.targets.probabilities(outputs)
        if linear is not None:
            said["linear model"] = linear
        if self.targets is not None:
            said["constant predictor"] = self.targets.constant(len(truth))
        score: Any = scores.classification if classes else scores.regression
        found = {
            output: {name: score(truth[:, j], of_each[j]) for name, of_each in said.items()}
            for j, output in enumerate(self.outputs)
        }
        if interval is not None:
            for j, output in enumerate(self.outputs):
                found[output]["network"] = score(truth[:, j], said["network"][j], interval[:, j])
        return found

    @property
    def count(self) -> int:
        """How many networks predict together."""
        return 1 if self.mixture is None else len(self.mixture.members)

    @property
    def noise(self) -> FloatArray | None:
        """The standard deviation of each target about its mean, (targets,), in its units, if it is the same for all.

        None without error bars, and of counts and shares, whose noise depends on their mean.
        """
        if not self.has_error_bars or self.network.objective.name in {"poisson", "cross_entropy"}:
            return None
        assert self.mixture is not None
        variances = np.array([one.noise for one in self.mixture.members])
        sd = 1.0 if self.targets is None or self.targets.scaling is None else self.targets.scaling.sd
        return np.asarray(np.sqrt(variances.mean(axis=0)) * sd)

    @property
    def has_error_bars(self) -> bool:
        """Whether it says how sure it is of a number."""
        return self.mixture is not None and self.mixture.members[0].noise is not None

    def _interval(self, y_0: Any, percent: float = 90.0) -> FloatArray | None:
        """Ends of the interval for encoded inputs, (rows, targets, 2), if there are error bars."""
        return self._error_bars(y_0, percent)[1] if self.has_error_bars else None

    def _error_bars(self, y_0: Any, percent: float) -> tuple[FloatArray, FloatArray]:
        """Standard deviations, (rows, targets), and ends of the interval, (rows, targets, 2), in the targets' units."""
        assert self.mixture is not None
        tail = (100 - percent) / 200
        sd = 1.0 if self.targets is None or self.targets.scaling is None else self.targets.scaling.sd
        with np.errstate(all="ignore"):
            deviations, ends = self.mixture.bars(self.scaled(y_0), (tail, 1 - tail))
            return deviations * sd, np.stack([self._decoded(ends[..., n]) for n in (0, 1)], axis=-1)

    def interval(self, table: Any, percent: float = 90.0) -> FloatArray:
        """Between what each target lies with this probability, (rows, targets, 2), in the targets' units.

        Parameters
        ----------
        table : path, data frame or array
            As for :meth:`predict`.
        percent : float
            From 1 to below 100; as much is left out on either side.

        Raises
        ------
        ValueError
            If the model has no error bars.
        """
        self._require_interval(percent)
        found = self._interval(self.encoded(self.read(table), warn=True), percent)
        assert found is not None
        return found

    def std(self, table: Any) -> FloatArray:
        """The standard deviation of what each target may be, noise included, (rows, targets), in the targets' units."""
        self._require_interval(90.0)
        return self._error_bars(self.encoded(self.read(table), warn=True), 90.0)[0]

    def _require_interval(self, percent: float) -> None:
        if not self.has_error_bars:
            raise ValueError(
                "model must have error bars to give intervals; got one without. Train a regression with a solver that "
                "has them: solver='auto' (--solver auto)."
            )
        if not isinstance(percent, int | float | np.number) or not 1 <= percent < 100:
            raise ValueError(f"interval must be a percentage from 1 to below 100; got {percent!r:.200}. Pass 90.")

    def certified(self, y_0: Any, truth: FloatArray) -> Certificate:
        """The certificate of the network's gradient on encoded inputs and targets in their own terms."""
        assert self.targets is not None
        return check(self.network, _dense(self.scaled(y_0)), self.targets.encode(truth))

    def predict(self, table: Any) -> Array:
        """Predictions (rows, targets), one row for each row of the table, in its order.

        Numbers in the targets' units, or for a classification the likeliest classes, as the columns held them.

        Parameters
        ----------
        table : path, data frame or array
            Columns are found by name; others may stand among them. An array has the input columns alone, in order.

        Raises
        ------
        BadData
            If a column is missing, a value cannot be used, or the network's output for it is not finite.

        Warns
        -----
        UnseenLevel
            If a text was not seen in training.
        """
        return self._labelled(self._predicted(table))

    def _labelled(self, outputs: FloatArray) -> Array:
        decoded = self._decoded(outputs)
        return decoded if self.targets is None or self.task == "regression" else self.targets.labels(decoded)

    def probabilities(self, table: Any) -> FloatArray:
        """Probabilities of the classes, (rows, levels of every target), named by :attr:`probability_names`."""
        self._require_classes()
        return self._said(self._predicted(table))

    def _require_classes(self) -> None:
        if self.task == "regression":
            raise ValueError("model must be a classification to have probabilities; got a regression. Use predict.")

    def _predicted(self, table: Any) -> FloatArray:
        """The network's outputs for a table, all finite."""
        read = self.read(table)
        return self._finite(read, self._outputs(self.encoded(read, warn=True)))

    def _finite(self, read: Table, outputs: FloatArray) -> FloatArray:
        if not np.isfinite(outputs).all():
            row, j = (int(n) for n in np.argwhere(~np.isfinite(outputs))[0])
            raise BadData(
                f"inputs must be of a size that the network can take; {read.where(row)} makes its output "
                f"{outputs[row, j]}. Correct the row or drop it."
            )
        return outputs

    def read(self, table: Any, dialect: Any = None) -> Table:
        """The table; a bare network takes the columns of any by position, for it knows no names."""
        if self.encoding is None:
            return replace(read_table(table, dialect=dialect), named=False)
        dialect = self._dialect(dialect)
        read = read_table(table, dialect=dialect)
        text = {} if isinstance(table, Table) or read.sparse else self._text(read)
        return read_table(table, text=text, dialect=dialect) if text else read

    def _dialect(self, dialect: Any) -> Any:
        """How a table is written: with the gaps of the one trained on, and its decimal mark where none is sure."""
        usual, gaps = self.fitted.get("decimal"), self.fitted.get("gaps")
        usual, gaps = usual if usual in {".", ","} else None, tuple(gaps) if isinstance(gaps, dict) else ()
        if not (usual or gaps) or not (dialect is None or isinstance(dialect, Dialect)):
            return dialect
        given = dialect or Dialect()
        return replace(given, usual=usual, gaps=(*given.gaps, *gaps))

    def _text(self, read: Table | Blocks) -> dict[str, Text]:
        """The columns that were texts in training, and look like something else or have too many levels now.

        And those that were numbers and look like texts, as 007 does: False.
        """
        if self.encoding is None or self.targets is None:
            return {}
        names = read.names if read.named or len(read.names) != len(self.names) else self.names
        texts = self.encoding.text | self.targets.text
        of_columns = zip(names, read.names, read.kinds, strict=True)
        numbers = {one.name for one in (*self.encoding.fields, *self.targets.fields) if one.kind == "number"}
        return {
            column: texts.get(name, False)
            for name, column, kind in of_columns
            if (name in texts and (kind.name != "text" or kind.problem)) or (name in numbers and kind.name == "text")
        }

    def encoded(self, read: Table, *, warn: bool = False) -> Any:
        """Inputs of the network before they are scaled."""
        if self.encoding is not None:
            return self.encoding.encode(read, warn=warn)
        names = tuple(f"x{k}" for k in range(self.network.sizes[0]))
        if len(read.names) != len(names):
            raise BadData(
                f"{read.origin} must have {len(names)} columns, one an input of the network; got {len(read.names)}. "
                "Pass just these, in this order."
            )
        return Encoding(tuple(Field(name) for name in names)).encode(read)

    def scaled(self, y_0: Any) -> Any:
        """Encoded inputs as the network sees them, (rows, inputs)."""
        if self.inputs is None:
            return y_0
        return self.inputs.apply(y_0, () if self.encoding is None else self.encoding.inputs)

    def _outputs(self, y_0: Any) -> FloatArray:
        with np.errstate(all="ignore"):  # what overflows is not finite, and that is what is looked at
            scaled = self.scaled(y_0)
            if self.mixture is not None:
                return self.mixture.predict(scaled)
            return engines.load("auto", self.network, scaled).predict(self.network, scaled).astype(np.float64)

    def _decoded(self, outputs: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            return outputs if self.targets is None else self.targets.decode(outputs)

    def patterns(self, table: Any) -> tuple[FloatArray, FloatArray]:
        """Inputs and targets of a table as the network sees them, (rows, inputs) and (rows, outputs).

        Raises
        ------
        BadData
            If a column is missing or holds what cannot be used.
        """
        y_0, truth = self._inputs_and_truth(self.read(table))
        return _dense(self.scaled(y_0)), truth if self.targets is None else self.targets.encode(truth)

    def _inputs_and_truth(self, read: Table, *, warn: bool = False) -> tuple[Any, FloatArray]:
        """Encoded inputs, and targets in their own terms; side by side in the table of a bare network."""
        if self.targets is not None:
            if {*self.names, *self.target_names} <= set(read.names):  # of an array, all that it was trained on
                read = replace(read, named=True)
            return self.encoded(read, warn=warn), self.targets.truth(read)
        outputs = self.network.sizes[-1]
        if len(read.names) != self.network.sizes[0] + outputs:
            raise BadData(
                f"{read.origin} must have {self.network.sizes[0]} input columns followed by {outputs} of targets; "
                f"got {len(read.names)}. Put them side by side."
            )
        truth = Targets(tuple(Field(name) for name in read.names[-outputs:])).truth(read.select(read.names[-outputs:]))
        return self.encoded(read.select(read.names[:-outputs])), truth

    def said(
        self, table: Any, *, probabilities: bool = False, interval: float | None = None, dialect: Any = None
    ) -> Iterator[dict[str, Array]]:
        """Predictions by name, a piece of the table at a time if it is large.

        Yields one array (rows,) for each target and, if asked for, one for each class, target=class, or of an interval
        of so many per cent its ends and the standard deviation, target_low, target_high and target_std.
        """
        if probabilities:
            self._require_classes()
        if interval is not None:
            self._require_interval(interval)
        for read in self.pieces(table, dialect):
            y_0 = self.encoded(read, warn=True)
            outputs = self._finite(read, self._outputs(y_0))
            columns = dict(zip(self.outputs, self._labelled(outputs).T, strict=True))
            if probabilities:
                columns |= dict(zip(self.probability_names, self._said(outputs).T, strict=True))
            if interval is not None:
                columns |= self._bars(y_0, interval)
            yield columns

    def _bars(self, y_0: Any, percent: float) -> dict[str, Array]:
        """Error bars by name."""
        deviations, ends = self._error_bars(y_0, percent)
        found: dict[str, Array] = {}
        for j, name in enumerate(self.outputs):
            found |= {f"{name}_std": deviations[:, j], f"{name}_low": ends[:, j, 0], f"{name}_high": ends[:, j, 1]}
        return found

    def pieces(self, table: Any, dialect: Any) -> Iterator[Table]:
        """The table, or the pieces of one that is large."""
        dialect = self._dialect(dialect)
        blocks = streaming.large_table(table, False if self.encoding is None else None, dialect=dialect)
        if blocks is None:
            yield self.read(table, dialect)
            return
        text = self._text(blocks)
        blocks = open_blocks(table, text=text, dialect=dialect) if text else blocks
        known = {*self.names, *self.target_names}
        chosen = [name for name in blocks.names if name in known] if blocks.named else None
        for block in blocks.blocks:
            yield from block.tables(chosen)

    def evaluate(self, table: Any, *, dialect: Any = None) -> Scored:
        """Scores of the network on a table with its targets, beside what always says the same.

        Returns
        -------
        dict
            For each target "network" and, unless it is bare, "constant predictor" (the mean, or the shares of the
            classes, in training): r2, rmse, mae and coverage, or accuracy, log_loss, roc_auc and confusion.
        """
        found = [self._judged(read) for read in self.pieces(table, dialect)]
        truth, outputs = (np.concatenate([one[n] for one in found]) for n in (0, 1))
        if np.isnan(truth).all():
            raise BadData("targets must be known in some rows; got none. Pass a table with the truth.")
        intervals = [one[2] for one in found if one[2] is not None]
        return self._scores(truth, outputs, np.concatenate(intervals) if intervals else None)

    def _judged(self, read: Table) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """Truth, outputs, and intervals if there are error bars."""
        y_0, truth = self._inputs_and_truth(read, warn=True)
        return truth, self._outputs(y_0), self._interval(y_0)

    def check(self, table: Any, rows: int = CERTIFIED) -> Certificate:
        """The certificate of the network's gradient on the first rows of a table that know a target."""
        y_0, t = self.patterns(table)
        known = np.flatnonzero(~np.isnan(t).all(axis=1))[:rows]
        if not known.size:
            raise BadData("targets must be known in some rows; got none. Pass a table with the truth.")
        return check(self.network, y_0[known], t[known])

    def one_pattern(self, table: Any, row: int) -> tuple[FloatArray, FloatArray]:
        """Inputs (1, inputs) and targets (1, outputs) of one row of a table, counted as messages do.

        Raises
        ------
        BadData
            If there is no such row, or it knows no target.
        """
        read = self.read(table)
        n = row - read.first_row
        if not 0 <= n < len(read):
            raise BadData(
                f"row must be one of {read.origin}, {read.first_row} to {len(read) - 1 + read.first_row}; got "
                f"{row}. Choose another."
            )
        y_0, t = self.patterns(read.take(np.array([n])))
        if np.isnan(t).all():
            raise BadData(f"row must be one with a known target; got {read.where(n)}. Choose another.")
        return y_0, t

    def pattern(self, table: Any, row: int) -> dict[str, Any]:
        """Back-propagation of one row of a table, as plain data, in the paper's letters and as the network sees it.

        Parameters
        ----------
        row : int
            As messages count: from 1 in a file, from 0 in an array or a data frame.

        Returns
        -------
        dict
            "E_p"; "layers": for each layer lists x, y, e over its nodes, and d, the derivative of E_p by each input, in
            layer 0, and t in the last; "gradients": for each layer from 1 lists w (nodes, nodes before) and b.
        """
        y_0, t = self.one_pattern(table, row)
        net = self.network
        trace = forward(net, y_0)
        e = error_terms(net, trace, t)
        g = gradient(net.without_penalty(), trace, e)
        layers: list[dict[str, Any]] = [{"y": trace.y[0][0].tolist(), "d": input_gradient(net, e)[0].tolist()}]
        layers += [
            {"x": trace.x[i][0].tolist(), "y": trace.y[i][0].tolist(), "e": e[i][0].tolist()}
            for i in range(1, net.depth + 1)
        ]
        layers[-1]["t"] = t[0].tolist()
        gradients = [
            {"w": g.w[i].tolist(), "b": None if g.b[i] is None else g.b[i].tolist()} for i in range(1, net.depth + 1)
        ]
        E_p = float(net.objective.errors(net.f[-1], t, trace.x[-1], trace.y[-1])[0])
        return {"E_p": E_p, "layers": layers, "gradients": gradients}


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
    if not isinstance(model, Model | Network):
        raise ValueError(
            f"model must be a Model or a Network; got {type(model).__name__}. An estimator has a save of its own."
        )
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
    if "estimator" in spec:
        kind = str(spec["estimator"])[:60]
        raise BadFile(f"{os.fspath(path)!r} is not a valid model file: it holds a {kind}. Use {kind}.load.")
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
    of_targets = None if model.targets is None else model.targets.scaling
    for name, scaling in (("inputs", model.inputs), ("targets", of_targets)):
        if scaling is not None:
            arrays |= {f"{name}.mean": scaling.mean, f"{name}.sd": scaling.sd}
    spec: dict[str, Any] = {"network": model.network.to_spec(), "fitted": model.fitted}
    if model.encoding is not None:
        spec["columns"] = [spec_of(one) for one in model.encoding.fields]
    if model.targets is not None:
        spec["targets"] = model.targets.to_spec()
    if model.mixture is not None:
        spec["mixture"] = {"networks": len(model.mixture.members), "combine": model.mixture.combine}
        arrays |= model.mixture.to_arrays()
    return spec, arrays


def _from_data(spec: dict[str, Any], arrays: dict[str, FloatArray]) -> Model:
    """The model of :func:`_as_data`, and of nothing that it would not write."""
    net = Network.from_spec(spec["network"], arrays["theta"])
    encoding = targets = None
    if "columns" in spec:
        encoding = Encoding(tuple(field_of(one) for one in spec["columns"]))
        _require_nodes("columns", encoding.names, encoding.inputs, net.sizes[0])
    if "targets" in spec:
        targets = Targets.from_spec(spec["targets"], _scaling("targets", arrays, net.sizes[-1]))
        _require_nodes("targets", targets.names, targets.outputs, net.sizes[-1])
        if (net.f[-1].name, net.objective.name) != (
            targets.activation,
            targets.objective,
        ) and targets.task != "regression":
            raise ValueError("targets must fit the network's output layer; got classes for another. Save it again.")
    mixture = None
    if "mixture" in spec:
        mixture = Mixture.from_arrays(net, arrays, spec["mixture"]["networks"], spec["mixture"]["combine"])
        net = mixture.members[0].network
    model = Model(net, encoding, _scaling("inputs", arrays, net.sizes[0]), targets, spec["fitted"], mixture=mixture)
    values = [v for one in model.fitted.values() for v in (one.values() if isinstance(one, dict) else (one,))]
    if any(isinstance(value, dict | list | tuple) for value in values):
        raise ValueError("fitted must hold plain values and dicts of them; got deeper ones. Keep them elsewhere.")
    again_spec, arrays_again = _as_data(model)
    if repr(again_spec) != repr(spec) or set(arrays_again) != set(arrays):
        raise ValueError("a model must hold what save writes and nothing else; got something else. Save it again.")
    return model


def _require_nodes(argument: str, names: tuple[str, ...], of_nodes: tuple[str, ...], nodes: int) -> None:
    if len(of_nodes) != nodes or len(set(names)) != len(names) or not names:
        raise ValueError(
            f"{argument} must be different and stand for {nodes} nodes; got {listed(names)}. Save the model again."
        )


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


def _dense(values: Any) -> FloatArray:
    dense: FloatArray = values if isinstance(values, np.ndarray) else values.toarray()
    return dense


def scores_to_dict(found: Scored) -> dict[str, Any]:
    """Scores as plain data."""
    return {
        target: {
            name: {figure: value for figure, value in asdict(one).items() if value is not None}
            for name, one in of_one.items()
        }
        for target, of_one in found.items()
    }
