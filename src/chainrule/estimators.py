"""The scikit-learn doors: networks as estimators, with scikit-learn's names where the meaning is the same.

Stand before everything else: X and y become inputs and targets here, standardised, and predictions are in y's units
again. Their letters: y_0 inputs, t targets, s the weights of the patterns, all as the networks see them.
"""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array
from scipy.special import log_expit, log_softmax, logsumexp
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, assert_all_finite, check_is_fitted, validate_data

from chainrule import engines
from chainrule.backprop import forward, jacobian
from chainrule.certificate import Certificate, check
from chainrule.files import model_file
from chainrule.files.model_file import BadFile
from chainrule.fitting import CERTIFIED
from chainrule.mixture import COMBINE, Member, Mixture
from chainrule.network import Network
from chainrule.notation import Array, FloatArray
from chainrule.objective import OBJECTIVES, Objective, best_constant, objective
from chainrule.solving import (
    Asked,
    Goal,
    Patterns,
    Plan,
    Solved,
    begin,
    member_of,
    plan_of,
    reached_the_end,
    require_flag,
    require_number,
    solve,
)
from chainrule.sparse import Centred, is_sparse
from chainrule.tables import BadData, Encoding, Scaling, Table, read_table
from chainrule.tables.encoding import field_of, spec_of
from chainrule.training.descent import RULES, Rule
from chainrule.training.descent import rule as rule_of
from chainrule.training.history import History
from chainrule.training.loop import Diverged, Interrupted, WorseThanConstant
from chainrule.training.schedules import SCHEDULES, Schedule
from chainrule.training.schedules import schedule as schedule_of

LOSSES = {"squared_error": "sse", "log_loss": "cross_entropy"}
"""scikit-learn's names of objectives."""

SMALL, MERGED = 2**20, 2**24
"""Numbers of a sparse table up to which it is written out, for the compiled engine is faster then, and of any table up
to which equal patterns are looked for."""

TEMPERATURES = (0.05, 20.0)
"""Between which the temperature is looked for."""


@dataclass(frozen=True, eq=False)
class _Inputs:
    """How columns become inputs: encoded where there are texts or gaps, standardised, and 0 where none vary."""

    encoding: Encoding | None
    scaling: Scaling
    varies: Array

    @classmethod
    def fit(cls, read: Any, missing: str | None, s: FloatArray, *, always: bool = False) -> _Inputs:
        """Of these rows, by their weights; ``always`` if columns may vary later that do not vary yet."""
        encoding = Encoding.fit(read, missing, s) if isinstance(read, Table) else None
        values = read if encoding is None else encoding.encode(read, warn=False)
        scaling = Scaling.fit(values, s) if encoding is None else encoding.scaling(values, s)
        return cls(encoding, scaling, np.ones(len(scaling.sd), bool) if always else _varies(values))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the encoded inputs; empty if the columns are the inputs."""
        return () if self.encoding is None else self.encoding.inputs

    def __call__(self, read: Any, *, warn: bool = True) -> Any:
        """Inputs as the networks see them; sparse ones stay so."""
        values = read if self.encoding is None else self.encoding.encode(read, warn=warn)
        scaled = self.scaling.apply(values, self.names)
        if isinstance(scaled, Centred) and not self.varies.all():
            scaled.matrix.data *= self.varies[scaled.matrix.indices]
            return Centred(scaled.matrix, scaled.centre * self.varies)
        if isinstance(scaled, np.ndarray):
            scaled[:, ~self.varies] = 0.0
        return scaled


class _Networks(BaseEstimator):  # type: ignore[misc]
    """What both estimators share."""

    _task: str
    _certified: Patterns | None
    _fitted: tuple[str, ...] = ("solver_", "why_", "n_iter_", "loss_", "best_loss_", "_seeds")

    # --- fitting --------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> Any:
        """Fit the networks.

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
            Columns of text and categories are encoded; columns that do not vary are left out.
        y : array of shape (patterns,) or (patterns, outputs)
        sample_weight : array of shape (patterns,), optional
            A weight counts as that many repetitions of the pattern. Where none is above 1 they are shares, and are
            scaled to a mean of 1.
        eval_set : tuple (X, y) or (X, y, sample_weight), or list of them, optional
            Patterns to stop by; the weights that do best on them are kept. Of a list the last is used.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If something given cannot be used.
        Diverged
            If training diverges.
        KeyboardInterrupt
            On Ctrl-C. A single network is kept with its best weights so far; of several none are.

        Warns
        -----
        ConvergenceWarning
            If training ended at ``max_iter`` or ``max_fun``.
        WorseThanConstant
            If no network predicts its training patterns better than the best constant.
        """
        return self._fit(X, y, sample_weight, eval_set)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, eval_set: Any = None, classes: Any = None, *, steps: bool = False
    ) -> Any:
        before = self.__dict__.copy()
        try:
            return self._fitted_to(X, y, sample_weight, eval_set, classes, steps=steps)
        except BaseException:
            if self.__dict__.get("nets_") is before.get("nets_"):  # else what Ctrl-C left is kept
                self.__dict__ = before
            raise

    def _fitted_to(self, X: Any, y: Any, sample_weight: Any, eval_set: Any, classes: Any, *, steps: bool) -> Any:
        """What _fit does; when it fails, the estimator stays as it was."""
        self._require_own()
        again = (steps or self.warm_start) and hasattr(self, "nets_")
        read, rows = self._read(X, y, reset=not again)
        s = _weights(sample_weight, rows)
        t = self._learned(y, s, classes, reset=not again)
        read, t, s = _merged(*_counted(read, t, s), ordered=not self.shuffle)
        S = float(s.sum())
        read, t, s = _counted(read, t, self._weighted(t, s))
        if not len(t):
            raise ValueError(
                "y must hold a known target of a pattern with a weight above 0; got none. Nothing can be learned."
            )
        goal = self._goal(t.shape[1])
        if not again:
            _require_known(t)
            self._inputs = _Inputs.fit(read, self.missing, s, always=steps)
            self._targets = _target_scaling(goal, t, s)
        patterns = Patterns(self._inputs(read, warn=False), self._targets.apply(t), s)
        goal = replace(goal, inputs=patterns.inputs.shape[1])
        known = None if eval_set is None else self._known(eval_set)
        plan = plan_of(
            self._asked(),
            goal,
            S,
            hidden=self.nets_[0].sizes[1:-1] if again else None,
            steps=steps,
            given=known is not None,
        )
        if not again:
            draws = check_random_state(self.random_state).randint(2**31 - 1, size=plan.ensemble)
            self._seeds = [int(seed) for seed in draws]
        nets = [net.replace(net.theta) for net in self.nets_] if again else begin(plan, goal, self._seeds)
        if again:
            self._require_same(begin(plan, goal, [0])[0])
        learned, apart, held = self._divided(plan, patterns, known, len(nets))
        goes_on = again and plan.steps and apart[0] is None
        rule = "" if plan.rule is None else plan.rule.name
        after = [h if h.memory and h.rule == rule else None for h in self.histories_] if goes_on else None
        if steps:
            plan = replace(plan, epochs=1, patience=np.inf)
        before = [0 if h is None else h.epochs for h in after or [None] * len(nets)]
        try:
            found = solve(
                plan,
                goal,
                nets,
                learned,
                apart,
                self._seeds,
                engine=self.engine,
                progress=bool(self.verbose),
                callbacks=self.callbacks,
                after=after,
                settle=not steps,
            )
        except Interrupted as error:
            if len(nets) == 1:
                member = error.members[0] if error.members else member_of(error.network, goal, learned[0], apart[0])
                self._keep(plan, Solved((member,), (error.history,), ((),)), apart, before, patterns)
            raise
        except Diverged as error:
            error.name = f"column {self._column(error.column)!r}, standardised"
            raise
        self._keep(plan, found, apart, before, patterns)
        if held is not None:
            self._calibrate(held)
        if not steps:
            self._warn(plan, found)
        return self

    def _keep(self, plan: Plan, found: Solved, apart: Sequence[Any], before: Sequence[int], patterns: Patterns) -> None:
        """Set what a fitted estimator has."""
        self._set(found.members, self.combine)
        self.histories_ = [*found.histories]
        self.solver_, self.why_ = plan.solver, plan.why
        if found.posteriors:
            self.posteriors_ = [*found.posteriors]
        made = [history.epochs - begun for history, begun in zip(found.histories, before, strict=True)]
        self.n_iter_ = max(1, *made)
        self.loss_ = float(np.mean([history.E for history in found.histories]))
        stopped_by = apart[0] is not None
        self.best_loss_ = None if stopped_by else float(np.mean([min(h.running, default=h.E) for h in self.histories_]))
        self._scores = [
            None if kept is None else _scores(net, kept, curve)
            for net, curve, kept in zip(self.nets_, found.curves, apart, strict=True)
        ]
        self._certified = patterns.take(np.arange(len(patterns.targets))[:CERTIFIED]).dense

    def _set(self, members: Sequence[Member], combine: str) -> None:
        """The networks, and what follows from them."""
        for name in ("certificate_", "posteriors_"):
            self.__dict__.pop(name, None)
        self.nets_ = [member.network for member in members]
        self.n_layers_ = self.nets_[0].depth + 1
        self.n_outputs_ = self.nets_[0].sizes[-1]
        self.out_activation_ = self.nets_[0].f[-1].name
        self._mixture = Mixture(tuple(members), combine)
        self._certified = None

    def _warn(self, plan: Plan, found: Solved) -> None:
        said = [history.warning for history in found.histories]
        if all(said):
            warnings.warn(said[0], WorseThanConstant, stacklevel=5)
        if reached_the_end(plan, found.histories):
            limit = "max_fun" if any("evaluated" in h.stopped for h in found.histories) else "max_iter"
            got = self.max_fun if limit == "max_fun" else plan.epochs
            warnings.warn(
                f"{limit} must be large enough for training to come to rest; got {got:,}, and E was still falling. "
                "Raise it, or raise tol.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _divided(
        self, plan: Plan, patterns: Patterns, known: Patterns | None, count: int
    ) -> tuple[list[Patterns], list[Patterns | None], Patterns | None]:
        """For each network what it learns and what it is stopped by; and what the probabilities are calibrated by."""
        calibrate = bool(getattr(self, "calibrate", False))
        if known is not None:
            return [patterns] * count, [known] * count, known if calibrate else None
        if not plan.apart and not calibrate:
            return [patterns] * count, [None] * count, None
        seeds = self._seeds[:1] * count if calibrate else self._seeds
        parts: dict[int, tuple[Patterns, Patterns]] = {}
        for seed in seeds:
            if seed not in parts:
                into, out = self._split(patterns, seed)
                parts[seed] = patterns.take(into), patterns.take(out)
        learned = [parts[seed][0] for seed in seeds]
        kept = [parts[seed][1] for seed in seeds]
        apart: list[Patterns | None] = [one if plan.apart else None for one in kept]
        return learned, apart, kept[0] if calibrate else None

    def _split(self, patterns: Patterns, seed: int) -> tuple[Array, Array]:
        """Rows to learn from and to keep apart, those of each class divided alike; a class of one row is learned."""
        rows, classes = np.arange(len(patterns.targets)), self._strata(patterns.targets)
        alone = rows[:0]
        if classes is not None:
            counts = np.bincount(classes)
            alone, rows = rows[counts[classes] < 2], rows[counts[classes] >= 2]
            classes = classes[rows]
        number = max(2, int(np.ceil(self.validation_fraction * len(rows))))
        if len(rows) - number < 2:  # which scikit-learn says in its own words
            check_array(np.empty((len(rows), 1)), ensure_min_samples=len(rows) + 2, estimator=self)
        few = classes is not None and len(np.unique(classes)) > min(number, len(rows) - number)
        into, out = train_test_split(rows, test_size=number, random_state=seed, stratify=None if few else classes)
        return np.sort(np.concatenate([into, alone])), np.sort(out)

    def _known(self, eval_set: Any) -> Patterns:
        """Patterns to stop by, as the networks see them."""
        last = eval_set[-1] if isinstance(eval_set, list) and eval_set else eval_set
        if not isinstance(last, tuple | list) or len(last) not in (2, 3):
            raise ValueError(
                f"eval_set must be (X, y), (X, y, sample_weight), or a list of such; got {type(last).__name__}. Hold "
                "some patterns back and pass them."
            )
        X, y, *weights = last
        read, rows = self._read(X, y, reset=False)
        s = _weights(weights[0] if weights else None, rows)
        t = self._learned(y, s, None, reset=False)
        read, t, s = _counted(read, t, self._weighted(t, s))
        if not len(t):
            raise ValueError(
                "eval_set must hold a pattern with a weight and a known target; got none. Hold some patterns back."
            )
        return Patterns(self._inputs(read), self._targets.apply(t), s)

    def _asked(self) -> Asked:
        return Asked(**{one.name: getattr(self, one.name) for one in fields(Asked)})

    def _require_same(self, asked: Network) -> None:
        """Refuse to go on with networks that are not what is asked for now."""
        first, went_on = self.nets_[0], "Set warm_start=False and fit anew."
        if asked.objective != first.objective:
            raise ValueError(
                f"loss must stay as it is where training goes on; got {asked.objective.name!r}, and the networks have "
                f"{first.objective.name!r}. {went_on}"
            )
        if asked.f != first.f:
            raise ValueError(
                f"activation must stay as it is where training goes on; got {asked}, and the networks are {first}. "
                f"{went_on}"
            )
        if self.ensemble is not None and self.ensemble != len(self.nets_):
            raise ValueError(
                f"ensemble must stay as it is where training goes on; got {self.ensemble}, and there are "
                f"{len(self.nets_)} networks. {went_on}"
            )

    def _require_own(self) -> None:
        """Refuse what only the estimators take."""
        engines.load(self.engine)  # which refuses one that there is not
        if self.combine not in COMBINE:
            raise ValueError(f"combine must be 'mean' or 'median'; got {self.combine!r:.200}. Choose one of them.")
        if self.missing not in (None, "mean"):
            raise ValueError(
                f"missing must be None or 'mean'; got {self.missing!r:.200}. None refuses gaps, 'mean' fills them."
            )
        require_flag("warm_start", self.warm_start)
        require_number("verbose", int(self.verbose) if isinstance(self.verbose, bool) else self.verbose, 0, np.inf)

    # --- columns to inputs ----------------------------------------------------------------------------------------

    def _read(self, X: Any, y: Any = "none", *, reset: bool) -> tuple[Any, int]:
        """Columns as float64, sparse as csr_array, or as a table where there are texts or gaps; and how many rows."""
        if y is None:
            validate_data(self, X, y=None, reset=reset)  # which says so
        encoding = None if reset else self._inputs.encoding
        read: Any
        if encoding is not None and encoding.text:
            validate_data(self, X, reset=False, skip_check_array=True)
            read = read_table(X, text=_texts(encoding, named=_is_frame(X)))
        elif reset and (read := _with_texts(X)) is not None:
            validate_data(self, X, reset=True, skip_check_array=True)
        else:
            gaps = self.missing == "mean" and not is_sparse(X)
            with _saying_how_to_fill(self.missing):
                read = validate_data(
                    self,
                    X,
                    reset=reset,
                    accept_sparse="csr",
                    dtype=np.float64,
                    ensure_all_finite="allow-nan" if gaps else True,
                )
            if is_sparse(read) and read.shape[0] * read.shape[1] <= SMALL:
                read = read.toarray()
            if gaps if reset else encoding is not None:
                names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)])
                values = read.toarray() if is_sparse(read) else np.ascontiguousarray(read)
                read = Table(tuple(map(str, names)), values, "X", named=False)
            elif is_sparse(read):
                read = _canonical(read)
        rows = len(read) if isinstance(read, Table) else int(read.shape[0])
        if not (y is None or (isinstance(y, str) and y == "none")):
            check_consistent_length(np.empty(rows), y)
        return read, rows

    def _seen(self, X: Any) -> Any:
        """Inputs of new patterns as the networks see them."""
        check_is_fitted(self)
        return self._inputs(self._read(X, reset=False)[0])

    def _column(self, number: int) -> str:
        names = self._inputs.names or getattr(self, "feature_names_in_", ())
        return str(names[number]) if len(names) else f"x{number}"

    # --- what a fitted one has ------------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "nets_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.missing == "mean"
        tags.target_tags.required = True
        return tags

    def _only(self, name: str, of_each: str = "nets_") -> Any:
        """What belongs to the only network; of several there is no such attribute."""
        if not hasattr(self, "nets_"):
            raise NotFittedError(f"estimator must be fitted to have {name}; got one that is not. Call fit first.")
        if len(self.nets_) != 1:
            raise AttributeError(
                f"{name} must belong to a single network; got an ensemble of {len(self.nets_)}. Use nets_ and "
                "histories_, or set ensemble=1."
            )
        return getattr(self, of_each)[0]

    @property
    def net_(self) -> Network:
        """The network, if there is a single one."""
        return cast(Network, self._only("net_"))

    @property
    def history_(self) -> History:
        """Of the only network's training."""
        return cast(History, self._only("history_", "histories_"))

    @property
    def coefs_(self) -> list[FloatArray]:
        """Weights of the only network, as in scikit-learn: ``coefs_[i] = net_.w[i+1].T``, in standardised units."""
        net = self._only("coefs_")
        return [net.w[i].T for i in range(1, net.depth + 1)]

    @property
    def intercepts_(self) -> list[FloatArray]:
        """Its biases: ``intercepts_[i] = net_.b[i+1]``."""
        net = self._only("intercepts_")
        return [net.b[i] for i in range(1, net.depth + 1)]

    @property
    def loss_curve_(self) -> list[float]:
        """The running E of each epoch of the only network."""
        return cast(list[float], self._only("loss_curve_", "histories_").running)

    @property
    def validation_scores_(self) -> list[float] | None:
        """Of each epoch of the only network, how much of the best constant's E it explains on the patterns kept apart.

        For the sum of squares and one output that is R². None if none were kept apart.
        """
        return cast("list[float] | None", self._only("validation_scores_", "_scores"))

    @property
    def best_validation_score_(self) -> float | None:
        """The largest of these."""
        scores = self._only("best_validation_score_", "_scores")
        return None if not scores else float(max(scores))

    @cached_property
    def certificate_(self) -> Certificate:
        """The first network's gradient beside an oracle, on some of the training patterns."""
        if not hasattr(self, "nets_"):
            raise NotFittedError("estimator must be fitted to have certificate_; got one that is not. Call fit first.")
        if self._certified is None:
            raise AttributeError(
                "certificate_ must be made of training patterns; got an estimator from a file, which holds none. Call "
                "chainrule.check with patterns of your own."
            )
        return check(self.nets_[0], *self._certified)

    def activations(self, X: Any, network: int = 0) -> list[FloatArray]:
        """Outputs of every layer of one network: ``activations(X)[i]`` is y_i, (patterns, nodes of layer i).

        Parameters
        ----------
        X : array, sparse array or data frame
        network : int
            Which of ``nets_``.
        """
        y_0 = self._seen(X)
        trace = forward(self.nets_[network], y_0.toarray() if isinstance(y_0, Centred) else y_0)
        return [np.asarray(y) for y in trace.y]

    def _slopes(self, y_0: Any) -> tuple[FloatArray, FloatArray]:
        """Outputs of every network, and their derivatives by its inputs: (networks, patterns, outputs[, inputs])."""
        dense = y_0.toarray() if isinstance(y_0, Centred) else y_0
        traces = [forward(net, dense) for net in self.nets_]
        slopes = [jacobian(net, trace, by="inputs") for net, trace in zip(self.nets_, traces, strict=True)]
        return np.array([trace.y[-1] for trace in traces]), np.array(slopes)

    def _by_columns(self, slopes: FloatArray) -> FloatArray:
        """Derivatives by inputs as those by what they are made of."""
        by_columns: FloatArray = slopes * (self._inputs.varies / self._inputs.scaling.sd)
        return by_columns

    # --- files ----------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a file that holds data and no code, whole or not at all.

        Callbacks are left out, and so is a random_state that is no whole number.

        Raises
        ------
        ValueError
            If a parameter, activation or objective is of your own.
        OSError
            If the file cannot be written; what stood there before is untouched.
        """
        check_is_fitted(self)
        spec, arrays = _as_data(self)
        _from_data(type(self), spec, arrays)  # what could not be loaded is not saved
        model_file.write(path, spec, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Any:
        """Read an estimator that :meth:`save` wrote; nothing in the file is executed.

        Raises
        ------
        BadFile
            If the file is something else, or is damaged.
        OSError
            If it cannot be opened.
        """
        spec, arrays = model_file.read(path)
        other = spec.get("estimator")
        if other in {"NetworkRegressor", "NetworkClassifier"} - {cls.__name__}:
            raise BadFile(f"{os.fspath(path)!r} is not a valid model file: it holds a {other}. Use {other}.load.")
        try:
            return _from_data(cls, spec, arrays)
        except KeyError as error:
            why = f"it has no {error}"
        except (TypeError, AttributeError, RecursionError, IndexError):
            why = "it does not describe an estimator as save does"
        except ValueError as error:
            why = f"{str(error).split('. ')[0]:.200}"
        raise BadFile(
            f"{os.fspath(path)!r} is not a valid model file: {why}. Do not use it; {cls.__name__}.save wrote another."
        )


def _by_steps(estimator: Any) -> bool:
    """Whether it has partial_fit: its solver goes by small steps, or may be chosen to, and is not stopped early."""
    if estimator.early_stopping:
        raise AttributeError(
            "partial_fit must be called without early_stopping, for it makes one epoch; got early_stopping=True. Stop "
            "calling it instead."
        )
    solver = estimator.solver
    named = isinstance(solver, str) and (solver in {"auto", "sgd"} or (solver in RULES and not RULES[solver].whole))
    if named or (isinstance(solver, Rule) and not solver.whole):
        return True
    raise AttributeError(
        f"partial_fit must be called with a solver of small steps; got {solver!r:.60}. Choose 'adam' or 'sgd'."
    )


class NetworkRegressor(RegressorMixin, _Networks):  # type: ignore[misc]
    """Networks for numbers, which say how sure they are: scikit-learn's MLPRegressor with error bars.

    X and y are taken in their own units and standardised inside. Parameters with scikit-learn's names have
    scikit-learn's meaning; None, and solver="auto", leave a choice to :mod:`chainrule.solving`, which says in ``why_``
    what it chose.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, optional
        Nodes of each hidden layer; () for none.
    activation : str, Activation, or sequence of them
        Of the hidden layers, or of each: "identity", "logistic", "tanh", "relu" and all others of Chainrule.
    solver : str or Rule
        "auto"; "bayesian" (second-order steps, penalties by the evidence); "levenberg_marquardt"; "lbfgs"; "adam";
        "sgd"; or any other update rule of Chainrule by name.
    alpha : float, optional
        The penalty, as in scikit-learn: E has alpha/2 Σw² over the sum of the weights of an update's patterns, so that
        λ = alpha / S for all patterns at once. "bayesian" finds its own and does not heed it; "auto" takes another
        solver where it is given.
    batch_size : int, "auto" or None
        Patterns an update; None for all. Only for solvers of small steps, as all that follows to ``shuffle``.
    learning_rate : str or Schedule
        "constant", "invscaling", "adaptive" as in scikit-learn, or a schedule of Chainrule.
    learning_rate_init : float, optional
        How large it is at first.
    power_t : float
        Of "invscaling".
    max_iter : int, optional
        Epochs at most; of second order and L-BFGS, steps.
    shuffle : bool
        A new order of the patterns each epoch.
    random_state : int, RandomState or None
        Of the random start, the order of the patterns, and those kept apart.
    tol : float, optional
        Training ends once E has not fallen by so much for more than ``n_iter_no_change`` epochs; of L-BFGS and
        Levenberg-Marquardt, the largest entry of the gradient at which they end.
    verbose : bool or int
        Show progress on standard error.
    warm_start : bool
        Go on with the networks there are when fit is called again.
    momentum, nesterovs_momentum
        Of "sgd".
    early_stopping : bool, optional
        Keep a part of the patterns apart, stop by them, and keep the weights that do best on them. By default where
        solver="auto" chooses Adam.
    validation_fraction : float
        That part.
    beta_1, beta_2, epsilon : float
        Of "adam" and "adamw".
    n_iter_no_change : int, optional
        Epochs without improvement that are borne; of "bayesian", steps without a larger evidence.
    max_fun : int
        Evaluations of E at most, of L-BFGS.
    loss : str or Objective
        "squared_error", "poisson", or another objective of Chainrule.
    ensemble : int, optional
        How many networks, from different random starts and, with early stopping, different divisions of the patterns.
        10 for "bayesian", 5 where solver="auto" chooses Adam, else 1.
    combine : {"mean", "median"}
        What is predicted of the networks' predictions.
    relevance : bool
        For "bayesian", a penalty for each input: those that do not matter are switched off.
    missing : {None, "mean"}
        Whether missing inputs are refused, or are the mean of their column and have an indicator.
    engine : {"auto", "cpu", "reference"}
        What runs the page.
    callbacks : sequence
        As for :func:`chainrule.train`; of an ensemble they are called from several threads.

    Attributes
    ----------
    nets_ : list of Network
        In standardised units.
    histories_ : list of History
    solver_, why_ : str
        What was used, and why it was chosen.
    n_iter_ : int
        Epochs of the last call, of the network that took most.
    loss_, best_loss_ : float
        E of the weights that were kept, and the least running E, as means over the networks; the latter None where
        patterns were kept apart.
    posteriors_ : list of Posterior
        By "bayesian": penalties, noise, effective number of parameters and evidence of each network. Not in files.
    n_features_in_, feature_names_in_, n_outputs_, n_layers_, out_activation_
        As in scikit-learn.
    """

    _task = "regression"
    _fitted = (*_Networks._fitted, "_flat")

    def __init__(
        self,
        *,
        hidden_layer_sizes: Any = None,
        activation: Any = "tanh",
        solver: Any = "auto",
        alpha: float | None = None,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float | None = None,
        power_t: float = 0.5,
        max_iter: int | None = None,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float | None = None,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool | None = None,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float | None = None,
        max_fun: int = 15_000,
        loss: Any = "squared_error",
        ensemble: int | None = None,
        combine: str = "mean",
        relevance: bool = False,
        missing: str | None = None,
        engine: str = "auto",
        callbacks: Sequence[Any] = (),
    ) -> None:
        _keep_parameters(self, locals())

    @available_if(_by_steps)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Make one epoch over these patterns, after those of earlier calls.

        n calls with the same patterns leave the networks that :meth:`fit` leaves after n epochs, bit for bit. Columns
        and targets are scaled as in the first call. Only for solvers of small steps, Adam if none is named.

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        y : array of shape (patterns,) or (patterns, outputs)
        sample_weight : array of shape (patterns,), optional

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, steps=True)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predictions, (patterns,) or (patterns, outputs), and how far off they may be.

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        return_std : bool
            Whether to return standard deviations too, as large an array: of the mixture, with the noise of the targets
            and, up to 3,000 parameters without patterns kept apart, what the weights leave open.

        Raises
        ------
        BadData
            If a column holds what it did not in training.
        """
        y_0 = self._seen(X)
        y = self._shaped(self._targets.undo(self._mixture.predict(y_0)))
        return (y, self._shaped(self._mixture.std(y_0) * self._targets.sd)) if return_std else y

    def predict_quantiles(self, X: Any, quantiles: Sequence[float] = (0.05, 0.5, 0.95)) -> FloatArray:
        """Quantiles of what y may be, of the mixture: (patterns, quantiles) or (patterns, outputs, quantiles).

        Each network's share is a normal distribution; of counts and shares with the variance that goes with their mean,
        and cut off where there are none.

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        quantiles : sequence of float
            Between 0 and 1; (0.05, 0.95) are the ends of a 90 % interval.
        """
        wanted = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
        if wanted.ndim != 1 or not ((wanted > 0) & (wanted < 1)).all():
            raise ValueError(
                f"quantiles must lie between 0 and 1; got {quantiles!r:.200}. Pass (0.05, 0.95) for a 90 % interval."
            )
        y_0 = self._seen(X)
        y = self._mixture.quantiles(y_0, wanted.tolist()) * self._targets.sd[:, None] + self._targets.mean[:, None]
        return cast(FloatArray, y[:, 0] if self._flat else y)

    def log_likelihood(self, X: Any, y: Any) -> FloatArray:
        """The logarithm of the density that the mixture gives to y, (patterns,), over the targets that are known.

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        y : array of shape (patterns,) or (patterns, outputs)
        """
        y_0 = self._seen(X)
        t = self._learned(y, np.ones(len(y_0)), None, reset=False)
        check_consistent_length(y_0, t)
        density = self._mixture.log_density(y_0, self._targets.apply(t))
        return cast(FloatArray, density - (~np.isnan(t) * np.log(self._targets.sd)).sum(axis=1))

    def input_gradient(self, X: Any) -> FloatArray:
        """The slope of the prediction in each column, in the units of y by those of X.

        (patterns, columns), or (patterns, outputs, columns). Where columns are encoded, by the encoded inputs.

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        """
        y, slopes = self._slopes(self._seen(X))
        if self._mixture.combine == "median":
            order = np.argsort(y, axis=0, kind="stable")
            middle = order[(len(y) - 1) // 2 : len(y) // 2 + 1]
            slopes = np.take_along_axis(slopes, middle[..., None], axis=0)
        by_columns = self._by_columns(slopes.mean(axis=0)) * self._targets.sd[:, None]
        return cast(FloatArray, by_columns[:, 0] if self._flat else by_columns)

    def _shaped(self, y: FloatArray) -> FloatArray:
        return y[:, 0] if self._flat else y

    def _goal(self, outputs: int) -> Goal:
        row = _objective(self.loss)
        return Goal(self._task, row, "logistic" if row.name == "cross_entropy" else row.output, 0, outputs)

    def _learned(self, y: Any, s: FloatArray, classes: Any, *, reset: bool) -> FloatArray:
        """Targets (rows, outputs), NaN where one of several is missing."""
        t = check_array(
            y, dtype=np.float64, ensure_2d=False, ensure_all_finite="allow-nan", input_name="y", estimator=self
        )
        if t.ndim == 2 and t.shape[1] == 1:
            t = column_or_1d(t, warn=True)
        if t.ndim == 1:
            assert_all_finite(t, input_name="y")
        if reset:
            self._flat = t.ndim == 1
        t = t.reshape(len(t), -1)
        if not reset and t.shape[1] != len(self._targets.mean):
            raise ValueError(
                f"y must have {len(self._targets.mean)} outputs, as in training; got {t.shape[1]}. Fit anew."
            )
        return cast(FloatArray, t)

    def _weighted(self, t: FloatArray, s: FloatArray) -> FloatArray:
        return s

    def _strata(self, t: FloatArray) -> Array | None:
        return None

    def _whole(self, net: Network) -> bool:
        return isinstance(self._flat, bool) and not net.f[-1].vector and not (self._flat and net.sizes[-1] > 1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class NetworkClassifier(ClassifierMixin, _Networks):  # type: ignore[misc]
    """Networks for classes, or for several labels at once: scikit-learn's MLPClassifier.

    Two classes have one logistic output, more a softmax, and an indicator of labels a logistic output for each.

    Parameters
    ----------
    loss : {"log_loss", "squared_error"}
    class_weight : dict, "balanced" or None
        Weights of the classes; "balanced" gives all the same sum.
    calibrate : bool
        Find the temperature of the probabilities by patterns that are kept apart, a part as large as
        ``validation_fraction``, or by those of ``eval_set``.
    **others
        All others are those of :class:`NetworkRegressor`.

    Attributes
    ----------
    classes_ : array of shape (classes,)
        Of labels, their numbers.
    temperature_ : float
        What log-probabilities are divided by: 1 if they are not calibrated.
    **others
        All others are those of :class:`NetworkRegressor`.
    """

    _task = "classification"
    _fitted = (*_Networks._fitted, "classes_", "_labels", "temperature_")

    def __init__(
        self,
        *,
        hidden_layer_sizes: Any = None,
        activation: Any = "tanh",
        solver: Any = "auto",
        alpha: float | None = None,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float | None = None,
        power_t: float = 0.5,
        max_iter: int | None = None,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float | None = None,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool | None = None,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float | None = None,
        max_fun: int = 15_000,
        loss: Any = "log_loss",
        class_weight: Any = None,
        calibrate: bool = False,
        ensemble: int | None = None,
        combine: str = "mean",
        relevance: bool = False,
        missing: str | None = None,
        engine: str = "auto",
        callbacks: Sequence[Any] = (),
    ) -> None:
        _keep_parameters(self, locals())

    @available_if(_by_steps)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Make one epoch over these patterns, after those of earlier calls; see :meth:`NetworkRegressor.partial_fit`.

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        y : array of shape (patterns,) or (patterns, labels)
        sample_weight : array of shape (patterns,), optional
        classes : array of shape (classes,), optional
            All classes that there will be; by default those of the first call.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, classes=classes, steps=True)

    def predict(self, X: Any) -> Array:
        """The likeliest class of each pattern, (patterns,), or which labels it has, (patterns, labels).

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        """
        logs = self._logs(X)
        if self._labels:
            return (logs[..., 1] > logs[..., 0]).astype(self._labels)
        return self.classes_[logs.argmax(axis=-1)]

    def predict_log_proba(self, X: Any) -> FloatArray:
        """Logarithms of :meth:`predict_proba`, exact where a probability is all but 0 or 1."""
        logs = self._logs(X)
        return logs[..., 1] if self._labels else logs

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities of the classes, (patterns, classes), in the order of ``classes_``, or of labels.

        The mean of the networks', at ``temperature_`` if they are calibrated.

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        """
        return cast(FloatArray, np.exp(self.predict_log_proba(X)))

    def decision_function(self, X: Any) -> FloatArray:
        """Log-odds of the second of two classes, (patterns,), or of labels; of more classes their log-probabilities.

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        """
        logs = self._logs(X)
        if self._labels or len(self.classes_) == 2:
            return cast(FloatArray, logs[..., 1] - logs[..., 0])
        return logs

    def log_likelihood(self, X: Any, y: Any) -> FloatArray:
        """The logarithm of the probability of the true class, or of all labels, (patterns,).

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        y : array of shape (patterns,) or (patterns, labels)
        """
        logs = self._logs(X)
        t = self._learned(y, np.ones(len(logs)), None, reset=False)
        check_consistent_length(logs, t)
        return _log_likelihood(logs, t)

    def input_gradient(self, X: Any) -> FloatArray:
        """The slope of the probabilities in each column, by the units of X.

        Of two classes of the second, (patterns, columns); of more classes, or labels, (patterns, classes, columns).

        Parameters
        ----------
        X : array, sparse array or data frame of shape (patterns, columns)
        """
        y_0 = self._seen(X)
        if self._mixture.combine == "median":
            raise ValueError(
                "combine must be 'mean' for slopes of probabilities; got 'median', which jumps. Set combine='mean'."
            )
        slope, logs = self._slopes(y_0)[1].mean(axis=0), self._combined(y_0)
        colder = self._at(logs, self.temperature_)
        q, r = np.exp(colder), np.exp(colder - logs)
        if self.out_activation_ == "softmax":
            moved = r[..., None] * slope
            return self._by_columns((moved - q[..., None] * moved.sum(axis=1, keepdims=True)) / self.temperature_)
        found = self._by_columns(slope * (r[..., 0] * r[..., 1])[..., None] / self.temperature_)
        return found if self._labels else found[:, 0]

    def _logs(self, X: Any) -> FloatArray:
        """Log-probabilities of the mixture at its temperature, (patterns, classes), or (patterns, labels, 2)."""
        logs = self._at(self._combined(self._seen(X)), self.temperature_)
        return logs[:, 0] if self.out_activation_ == "logistic" and not self._labels else logs

    def _combined(self, y_0: Any) -> FloatArray:
        """Log-probabilities of the mixture, (patterns, classes), or of logistic outputs (patterns, outputs, 2)."""
        each = np.array([_log_probabilities(net, y_0) for net in self.nets_])
        if self._mixture.combine == "median":
            with np.errstate(divide="ignore"):
                middle = np.log(np.median(np.exp(each), axis=0))
            return cast(FloatArray, middle - logsumexp(middle, axis=-1, keepdims=True))
        return cast(FloatArray, logsumexp(each, axis=0) - np.log(len(each)))

    @staticmethod
    def _at(logs: FloatArray, temperature: float) -> FloatArray:
        if temperature == 1:
            return logs
        colder = logs / temperature
        return cast(FloatArray, colder - logsumexp(colder, axis=-1, keepdims=True))

    def _keep(self, *of_fit: Any) -> None:
        super()._keep(*of_fit)
        self.temperature_ = 1.0

    def _calibrate(self, held: Patterns) -> None:
        """Find the temperature at which patterns that were not learned are likeliest."""
        logs = self._combined(held.inputs)
        t, s = held.targets, held.weights
        logs, t = (logs[:, 0], t) if logs.ndim == 3 and not self._labels else (logs, t)

        def cost(log_T: float) -> float:  # a normal prior keeps it near 1 where patterns are few, or all are right
            likelihood = _log_likelihood(self._at(logs, np.exp(log_T)), t)
            return 0.5 * log_T**2 - float(s @ likelihood)

        coldest, hottest = (float(np.log(one)) for one in TEMPERATURES)
        found = minimize_scalar(cost, bounds=(coldest, hottest), method="bounded")
        self.temperature_ = float(np.exp(found.x))

    def _goal(self, outputs: int) -> Goal:
        row = _objective(self.loss)
        if row.outputs and not {"softmax", "logistic"} & {*row.outputs}:
            raise ValueError(
                f"loss must be one of probabilities for a classifier; got {row.name!r}. Choose 'log_loss' or "
                "'squared_error'."
            )
        return Goal(self._task, row, "softmax" if outputs > 1 and not self._labels else "logistic", 0, outputs)

    def _learned(self, y: Any, s: FloatArray, classes: Any, *, reset: bool) -> FloatArray:
        """Shares of the classes, (rows, outputs)."""
        require_flag("calibrate", self.calibrate)
        gaps = _gaps_of_labels(y)
        if gaps is not None and set(np.unique(np.where(gaps, 0, y))) <= {0.0, 1.0}:
            return self._labelled(np.asarray(y, dtype=np.float64), classes, reset=reset)
        if not is_sparse(y):
            assert_all_finite(np.asarray(y), input_name="y")
        check_classification_targets(y)
        if type_of_target(y, input_name="y") == "multilabel-indicator":
            return self._labelled(y, classes, reset=reset)
        y = column_or_1d(y, warn=True)
        if reset:
            found = np.unique(y[s > 0] if classes is None else column_or_1d(classes))
            if len(found) < 2:
                raise ValueError(
                    f"y must hold two classes or more; got only one class, {found.tolist()[0]!r}. Add patterns of "
                    "another."
                )
            self.classes_, self._labels = found, ""
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes must stay {self.classes_}; got {classes!r:.200}. Leave them out.")
        if self._labels:
            raise ValueError("y must be an indicator of labels, as in training; got one column. Fit anew.")
        strange = ~np.isin(y, self.classes_) & (s > 0)
        if strange.any():
            raise ValueError(
                f"y must be one of the classes {self.classes_}; got {y[np.argmax(strange)]!r}. With warm_start classes "
                "stay as they are; for partial_fit name all of them in classes."
            )
        codes = np.searchsorted(self.classes_, np.where(np.isin(y, self.classes_), y, self.classes_[0]))
        if len(self.classes_) == 2:
            return cast(FloatArray, codes[:, None].astype(np.float64))
        return cast(FloatArray, (codes[:, None] == np.arange(len(self.classes_))).astype(np.float64))

    def _labelled(self, y: Any, classes: Any, *, reset: bool) -> FloatArray:
        """Several labels at once, (rows, labels)."""
        given = y.toarray() if is_sparse(y) else np.asarray(y)
        if self.class_weight is not None:
            raise ValueError(
                f"class_weight must be None for several labels at once; got {self.class_weight!r:.200}. Use "
                "sample_weight."
            )
        if reset:
            self.classes_, self._labels = np.arange(given.shape[1]), given.dtype.str
        if not self._labels or given.shape[1] != len(self.classes_):
            raise ValueError(
                f"y must have {len(self.classes_)} {'labels' if self._labels else 'classes'}, as in training; got an "
                f"indicator of {given.shape[1]}. Fit anew."
            )
        if classes is not None and len(classes) != given.shape[1]:
            raise ValueError(
                f"classes must be as many as the columns of y, {given.shape[1]}; got {len(classes)}. Leave them out."
            )
        return cast(FloatArray, given.astype(np.float64))

    def _weighted(self, t: FloatArray, s: FloatArray) -> FloatArray:
        """Weights of the patterns, with those of their classes."""
        codes = self._strata(t)
        if self.class_weight is None or codes is None:
            return s
        weights = np.ones(len(self.classes_))
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            of_each = np.bincount(codes, s, len(weights))
            weights = s.sum() / (len(weights) * np.maximum(of_each, np.finfo(np.float64).tiny))
        elif isinstance(self.class_weight, dict):
            known = {one: n for n, one in enumerate(self.classes_.tolist())}
            for one, weight in self.class_weight.items():
                if one not in known or not isinstance(weight, int | float | np.number) or not 0 <= weight < np.inf:
                    raise ValueError(
                        f"class_weight must give classes of y finite weights from 0 up; got {weight!r:.200} for "
                        f"{one!r:.200}. Correct it."
                    )
                weights[known[one]] = weight
        elif self.class_weight is not None:
            raise ValueError(
                f"class_weight must be None, 'balanced' or a dict; got {self.class_weight!r:.200}. Choose one of them."
            )
        return cast(FloatArray, s * weights[codes])

    def _strata(self, t: FloatArray) -> Array | None:
        if self._labels:
            return None
        return t[:, 0].astype(np.intp) if t.shape[1] == 1 else t.argmax(axis=1)

    def _whole(self, net: Network) -> bool:
        outputs = len(self.classes_) if self._labels or len(self.classes_) > 2 else 1
        good = isinstance(self._labels, str) and 0 < self.temperature_ < np.inf and net.sizes[-1] == outputs
        return good and net.f[-1].name == ("logistic" if self._labels or outputs == 1 else "softmax")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


# ------------------------------------------------------------------------------------------------------------- helpers


def _keep_parameters(estimator: Any, given: dict[str, Any]) -> None:
    """Set the parameters of a constructor as attributes, as scikit-learn wants them."""
    for name, value in given.items():
        if name != "self":
            setattr(estimator, name, value)


def _objective(loss: Any) -> Objective:
    """The objective of that name, scikit-learn's or Chainrule's, or the objective itself."""
    names = [*LOSSES, *OBJECTIVES]
    if isinstance(loss, Objective) or loss in names:
        return objective(LOSSES.get(loss, loss) if isinstance(loss, str) else loss)
    close = difflib.get_close_matches(str(loss), names, 1)
    hint = f"Did you mean {close[0]!r}?" if close else "Or pass an Objective of your own."
    raise ValueError(f"loss must be one of {', '.join(names)}; got {loss!r:.200}. {hint}")


def _weights(given: Any, rows: int) -> FloatArray:
    """Weights of so many patterns, 1 if none are given, as a copy.

    Where none is above 1 they count no repetitions but shares, and are scaled to a mean of 1.
    """
    s = _check_sample_weight(given, np.empty((rows, 1)), dtype=np.float64, ensure_non_negative=True, copy=True)
    if not s.any():
        raise ValueError(
            "sample_weight must hold a weight above zero; got zero for every pattern. Nothing can be learned."
        )
    return cast(FloatArray, s / s[s > 0].mean() if s.max() <= 1 else s)


def _require_known(t: FloatArray) -> None:
    """Refuse an output without a known target."""
    unknown = np.isnan(t).all(axis=0)
    if unknown.any():
        raise ValueError(
            f"y must hold a known target of every output; got none of output {int(np.argmax(unknown))}. Leave it out."
        )


def _gaps_of_labels(y: Any) -> Array | None:
    """Where an array of several columns is NaN; None if it is none, or nowhere."""
    if is_sparse(y) or getattr(y, "ndim", 0) != 2 or y.shape[1] < 2:
        return None
    values = np.asarray(y)
    gaps = np.isnan(values) if values.dtype.kind == "f" else np.zeros(1, bool)
    return gaps if gaps.any() else None


@contextmanager
def _saying_how_to_fill(missing: str | None) -> Iterator[None]:
    """Where scikit-learn refuses gaps, what to do about them here."""
    try:
        yield
    except ValueError as error:
        if "contains NaN" not in str(error):
            raise
        how = "Set missing='mean' to fill them." if missing is None else "Pass it as a dense array."
        raise ValueError(f"X must be without gaps; {str(error).splitlines()[0]} {how}") from None


def _is_frame(X: Any) -> bool:
    """Whether it is a data frame of any library."""
    return not is_sparse(X) and (hasattr(X, "columns") or hasattr(X, "__arrow_c_stream__"))


def _with_texts(X: Any) -> Table | None:
    """The table of a data frame with a column that is not numbers or booleans; None for anything else."""
    if not _is_frame(X) or all(getattr(one, "kind", "O") in "biuf" for one in getattr(X, "dtypes", "?")):
        return None
    try:
        table = read_table(X)
    except BadData:
        return None  # and what is wrong with it scikit-learn says
    return table if any(kind.name not in {"number", "boolean"} for kind in table.kinds) else None


def _texts(encoding: Encoding, *, named: bool) -> dict[str, tuple[str, ...]]:
    """The columns that are texts and their levels; those of an array are called x0, x1 and so on."""
    columns = enumerate(encoding.fields)
    return {one.name if named else f"x{j}": one.levels for j, one in columns if one.kind == "text"}


def _canonical(values: Any) -> Any:
    """A sparse array without an entry given twice, that shares no memory that could be written to."""
    matrix = csr_array(values)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def _counted(read: Any, t: FloatArray, s: FloatArray) -> tuple[Any, FloatArray, FloatArray]:
    """Patterns that have a weight and a known target; others take no part, not even in the scaling."""
    rows = (s > 0) & ~np.isnan(t).all(axis=1)
    if rows.all():
        return read, t, s
    return read.take(np.flatnonzero(rows)) if isinstance(read, Table) else read[rows], t[rows], s[rows]


def _by_size(rows: FloatArray) -> Array:
    """The order of different rows by their first column, then the second …: the same in any units."""
    columns = 1
    while True:
        order = np.lexsort(rows[:, :columns].T[::-1])
        ordered = rows[order, :columns]
        if columns >= rows.shape[1] or (ordered[1:] != ordered[:-1]).any(axis=1).all():
            return order
        columns *= 2


def _merged(read: Any, t: FloatArray, s: FloatArray, *, ordered: bool) -> tuple[Any, FloatArray, FloatArray]:
    """Equal patterns as one with the sum of their weights, in an order that depends on nothing but what they hold.

    So a weight and repetitions of a pattern, and any order of the patterns, train the same networks bit for bit, which
    they would not once rounding has grown. ``ordered`` leaves them as they come. Large tables are left alone.
    """
    values = read.values if isinstance(read, Table) else read
    if not isinstance(values, np.ndarray) or values.size > MERGED:
        return read, t, s
    both = np.ascontiguousarray(np.hstack([values, t])) + 0.0  # which makes 0 of -0
    both[np.isnan(both)] = np.inf
    rows = both.view(np.dtype((np.void, both.itemsize * both.shape[1])))[:, 0]
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    total = np.asarray(np.bincount(which.ravel(), s), dtype=np.float64)
    order = np.argsort(first) if ordered else _by_size(both[first])
    first, total = first[order], total[order]
    return read.take(first) if isinstance(read, Table) else values[first], t[first], total


def _varies(values: Any) -> Array:
    """Which columns are not the same, but for rounding, in all rows."""
    if isinstance(values, np.ndarray):
        low, high = values.min(axis=0), values.max(axis=0)
    else:
        low, high = (np.ravel(found.toarray()) for found in (values.min(axis=0), values.max(axis=0)))
    with np.errstate(over="ignore"):
        return high - low > np.finfo(np.float64).eps * np.maximum(np.abs(low), np.abs(high))


def _target_scaling(goal: Goal, t: FloatArray, s: FloatArray) -> Scaling:
    """Of targets: standardised, or divided by their mean where they must stay above 0, or left as they are.

    By median and quartiles where the objective shrugs off outliers, whose best constant is not the mean.
    """
    row = goal.objective
    if goal.task == "regression" and not row.outputs and row.output == "identity" and row.domain == (-np.inf, np.inf):
        return Scaling.fit(t, s) if row.best_is_mean else _robust(t, s)
    unscaled = Scaling(np.zeros(t.shape[1]), np.ones(t.shape[1]))
    if row.name != "poisson":
        return unscaled
    mean = Scaling.fit(t, s).mean
    return Scaling(unscaled.mean, np.where(mean > 0, mean, 1.0))


def _robust(t: FloatArray, s: FloatArray) -> Scaling:
    """Median, and the deviation of the normal distribution with these quartiles; by the mean where those are equal."""
    usual, middle, spread = Scaling.fit(t, s), [], []
    for column in t.T:
        order = np.argsort(column[~np.isnan(column)], kind="stable")
        ordered, below = column[~np.isnan(column)][order], np.cumsum(s[~np.isnan(column)][order])
        places = np.searchsorted(below, np.array([0.25, 0.5, 0.75]) * below[-1])
        first, median, third = ordered[np.minimum(places, len(ordered) - 1)]
        middle.append(median)
        spread.append((third - first) / (2 * norm.ppf(0.75)))
    sd = np.array(spread)
    return Scaling(np.where(sd > 0, middle, usual.mean), np.where(sd > 0, sd, usual.sd))


def _scores(net: Network, patterns: Patterns, curve: Sequence[float]) -> list[float]:
    """How far each E is below that of the best constant for these patterns, as a share of it."""
    _, found = best_constant(net.objective, net.f[-1], patterns.targets, patterns.weights)
    constant = max(found, float(np.finfo(np.float64).tiny))
    return [1 - E / constant for E in curve]


def _log_probabilities(net: Network, y_0: Any) -> FloatArray:
    """Logarithms of one network's probabilities, from its net values: (patterns, classes) or (patterns, outputs, 2)."""
    bare = Network.architecture(net.sizes, [*net.f[1:-1], "identity"], bias=net.bias).replace(net.theta)
    x = engines.load("auto", bare, y_0).predict(bare, y_0).astype(np.float64)
    if net.f[-1].vector:
        return cast(FloatArray, log_softmax(x, axis=-1))
    return cast(FloatArray, np.stack([log_expit(-x), log_expit(x)], axis=-1))


def _log_likelihood(logs: FloatArray, t: FloatArray) -> FloatArray:
    """Of targets t (patterns, outputs) by log-probabilities (patterns, classes) or (patterns, labels, 2)."""
    if logs.ndim == 3:
        return cast(FloatArray, np.nansum((1 - t) * logs[..., 0] + t * logs[..., 1], axis=1))
    shares = np.hstack([1 - t, t]) if t.shape[1] == 1 else t
    return cast(FloatArray, np.where(shares > 0, shares * logs, 0.0).sum(axis=1))


# --------------------------------------------------------------------------------------------------------------- files


def _as_data(estimator: Any) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """What a file holds of a fitted estimator: a specification and arrays."""
    arrays: dict[str, FloatArray] = {
        "inputs.mean": estimator._inputs.scaling.mean,
        "inputs.sd": estimator._inputs.scaling.sd,
        "inputs.varies": estimator._inputs.varies.astype(np.float64),
        "targets.mean": estimator._targets.mean,
        "targets.sd": estimator._targets.sd,
    }
    networks = []
    for k, (member, history) in enumerate(zip(estimator._mixture.members, estimator.histories_, strict=True)):
        arrays[f"{k}.theta"] = member.network.theta
        for name in ("noise", "whitening"):
            if getattr(member, name) is not None:
                arrays[f"{k}.{name}"] = getattr(member, name)
        for name in ("running", "validation", "learning_rates"):
            arrays[f"{k}.{name}"] = np.array(getattr(history, name), dtype=np.float64)
        updates = None
        if history.memory is not None:
            updates = int(history.memory.updates)
            arrays |= {f"{k}.slot.{n}": slot for n, slot in enumerate(history.memory.slots)}
        scores = estimator._scores[k]
        if scores is not None:
            arrays[f"{k}.scores"] = np.array(scores, dtype=np.float64)
        values = {name: _plain(value) for name, value in history.to_dict().items() if not isinstance(value, list)}
        networks.append({"network": member.network.to_spec(), "history": values, "updates": updates})
    encoding, names = estimator._inputs.encoding, getattr(estimator, "feature_names_in_", None)
    parameters = estimator.get_params(deep=False) | {"callbacks": ()}
    if not isinstance(parameters["random_state"], int | np.integer | None):
        parameters["random_state"] = None
    spec: dict[str, Any] = {
        "estimator": type(estimator).__name__,
        "parameters": {name: _plain(value) for name, value in parameters.items()},
        "columns": int(estimator.n_features_in_),
        "names": None if names is None else [str(name) for name in names],
        "encoding": None if encoding is None else [spec_of(one) for one in encoding.fields],
        "networks": networks,
        "fitted": {name: _plain(getattr(estimator, name)) for name in estimator._fitted},
    }
    return spec, arrays


def _from_data(kind: Any, spec: dict[str, Any], arrays: dict[str, FloatArray]) -> Any:
    """The estimator of :func:`_as_data`, and of nothing that it would not write."""
    if spec["estimator"] != kind.__name__:
        raise ValueError(f"estimator must be a {kind.__name__}; got another, {spec['estimator']!r:.60}. Load that.")
    estimator = kind(**{name: _restored(value) for name, value in spec["parameters"].items()})
    estimator.n_features_in_ = spec["columns"]
    if spec["names"] is not None:
        estimator.feature_names_in_ = np.array(spec["names"], dtype=object)
    members, estimator.histories_, estimator._scores = [], [], []
    for k, of_one in enumerate(spec["networks"]):
        net = Network.from_spec(of_one["network"], arrays[f"{k}.theta"])
        members.append(Member(net, arrays.get(f"{k}.noise"), arrays.get(f"{k}.whitening")))
        history = History(**{name: _restored(value) for name, value in of_one["history"].items()})
        for name in ("running", "validation", "learning_rates"):
            getattr(history, name)[:] = arrays[f"{k}.{name}"].tolist()
        if of_one["updates"] is not None:
            row = RULES[history.rule]
            slots = tuple(arrays[f"{k}.slot.{n}"] for n in range(row.slots))
            if row.whole or any(slot.shape != net.theta.shape for slot in slots):
                raise ValueError("history must hold the memory of its rule; got another. Save the estimator again.")
            history.memory = engines.Memory(int(of_one["updates"]), slots)
        scores = arrays.get(f"{k}.scores")
        estimator.histories_.append(history)
        estimator._scores.append(None if scores is None else scores.tolist())
    encoding = None if spec["encoding"] is None else Encoding(tuple(field_of(one) for one in spec["encoding"]))
    scaling = Scaling(arrays["inputs.mean"], arrays["inputs.sd"])
    estimator._inputs = _Inputs(encoding, scaling, arrays["inputs.varies"] > 0)
    estimator._targets = Scaling(arrays["targets.mean"], arrays["targets.sd"])
    for name in kind._fitted:
        setattr(estimator, name, _restored(spec["fitted"][name]))
    estimator._set(members, estimator.combine)
    _require_whole(estimator)
    again_spec, again = _as_data(estimator)
    if repr(again_spec) != repr(spec) or set(again) != set(arrays):
        raise ValueError("estimator must hold what save writes and nothing else; got something else. Save it again.")
    return estimator


def _require_whole(estimator: Any) -> None:
    """Refuse parts that do not belong together."""
    first, inputs = estimator.nets_[0], estimator._inputs
    columns = estimator.n_features_in_ if inputs.encoding is None else len(inputs.encoding.names)
    encoded = estimator.n_features_in_ if inputs.encoding is None else len(inputs.names)
    parts = (inputs.scaling.mean, inputs.scaling.sd, inputs.varies)
    outputs = (estimator._targets.mean, estimator._targets.sd)
    names = getattr(estimator, "feature_names_in_", ())
    good = (
        columns == estimator.n_features_in_
        and len(names) in {0, columns}
        and all(isinstance(name, str) for name in names)
        and all(net.sizes == first.sizes and net.f == first.f for net in estimator.nets_)
        and all(part.shape == (encoded,) for part in parts)
        and first.sizes[0] == encoded
        and all(part.shape == (first.sizes[-1],) for part in outputs)
        and bool((inputs.scaling.sd > 0).all() and (estimator._targets.sd > 0).all())
        and all(_fits(member) for member in estimator._mixture.members)
        and estimator._whole(first)
    )
    if not good:
        raise ValueError("networks must fit the columns and targets; got others. Save the estimator again.")


def _fits(member: Member) -> bool:
    """Whether noise and covariance are those of a network of its sizes."""
    outputs, parameters = member.network.sizes[-1], member.network.n_parameters
    noise = member.noise is None or (member.noise.shape == (outputs,) and bool((member.noise > 0).all()))
    return noise and (member.whitening is None or member.whitening.shape == (parameters, parameters))


def _plain(value: Any) -> Any:
    """A value as JSON holds it: what JSON does not tell apart is written as a dict of one."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_plain(one) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[_plain(key), _plain(one)] for key, one in value.items()]}
    if isinstance(value, Rule) and value.name in RULES and rule_of(value.name, **value.constants) == value:
        return {"rule": [value.name, _plain(value.constants)]}
    if isinstance(value, Schedule) and value.name in SCHEDULES:
        constants = {**value.constants, "warm_up": value.warm_up}
        if schedule_of(value.name, **constants) == value:
            return {"schedule": [value.name, _plain(constants)]}
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return {"array": [value.dtype.str if value.dtype.kind != "O" else "O", [_plain(one) for one in value.tolist()]]}
    raise ValueError(
        f"parameters must be plain values to be saved; got a {type(value).__name__}. A model file holds data, never "
        "code: pass a name, or keep the estimator by pickle."
    )


def _restored(value: Any) -> Any:
    """The value of :func:`_plain`."""
    if not isinstance(value, dict):
        return value
    [(kind, inside)] = value.items()
    if kind == "float":
        return {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}[inside]
    if kind == "dict":
        return {_restored(key): _restored(one) for key, one in inside}
    if kind == "rule":
        return rule_of(inside[0], **_restored(inside[1]))
    if kind == "schedule":
        return schedule_of(inside[0], **_restored(inside[1]))
    if kind == "array":
        dtype = np.dtype(inside[0])
        if dtype.kind not in "biufUO":
            raise ValueError(f"arrays must hold numbers or texts; got {inside[0]!r:.60}. Save the estimator again.")
        return np.array([_restored(one) for one in inside[1]], dtype=dtype)
    return {"list": list, "tuple": tuple}[kind](_restored(one) for one in inside)
