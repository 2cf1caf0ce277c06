"""How good predictions are, and the baselines they must beat: scikit-learn's metrics and linear model."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from chainrule.notation import Array, FloatArray
from chainrule.tables import Scaling

_one_at_a_time = threading.RLock()


@contextmanager
def _without(warning: type[Warning]) -> Iterator[None]:
    """Without warnings of this kind; one thread at a time, for the filters of warnings belong to all of them."""
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore", warning)
        yield


Scored = Mapping[str, Mapping[str, Any]]
"""For each target, scores of the network and of what it is compared with, by name."""


@dataclass(frozen=True)
class Scores:
    """Of one set of predictions of one target: the rows that know it, R², RMSE and MAE, these in the target's units.

    R² is nan for fewer than 2 rows or a constant target, of which there is nothing to explain. Where there are error
    bars, coverage is the share of the rows whose target lies in its 90 % interval.
    """

    rows: int
    r2: float
    rmse: float
    mae: float
    coverage: float | None = None


def regression(truth: FloatArray, said: FloatArray, interval: FloatArray | None = None) -> Scores:
    """Scores of predictions of one target, (rows,), and of 90 % intervals, (rows, 2), on the rows that know it.

    By scikit-learn, of numbers near 1, so that no square of theirs overflows or vanishes.
    """
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    known = ~np.isnan(truth)
    truth, said = truth[known], said[known]
    coverage = None
    if interval is not None and truth.size:
        coverage = float(((interval[known, 0] <= truth) & (truth <= interval[known, 1])).mean())
    if not truth.size:
        return Scores(0, float("nan"), float("nan"), float("nan"))
    varies = bool((truth != truth[0]).any())
    r2, rmse, mae = float("-inf" if varies else "nan"), float("inf"), float("inf")
    with np.errstate(over="ignore"):
        largest = _power_of_two(truth)
        if varies and np.isfinite(said / largest).all():
            r2 = float(r2_score(truth / largest, said / largest))
        largest = _power_of_two(np.append(truth, said))
        if np.isfinite(said).all():
            rmse = largest * float(root_mean_squared_error(truth / largest, said / largest))
            mae = largest * float(mean_absolute_error(truth / largest, said / largest))
    return Scores(truth.size, r2, rmse, mae, coverage)


@dataclass(frozen=True)
class ClassScores:
    """Of one set of predicted probabilities of one target's classes: the rows that know it, and how good they are.

    Parameters
    ----------
    rows : int
    accuracy : float
        The share of rows whose likeliest class is the true one.
    log_loss : float
        The mean of -log of the probability that was given to the true class, in nats.
    roc_auc : float
        The area under the receiver's curve; of several classes the mean over pairs of them (one against one). nan
        unless every class occurs.
    confusion : tuple of tuples of int
        Rows of each true class (down) by predicted class (across), in the order of the classes.
    """

    rows: int
    accuracy: float
    log_loss: float
    roc_auc: float
    confusion: tuple[tuple[int, ...], ...]


def classification(truth: FloatArray, probabilities: FloatArray) -> ClassScores:
    """Scores of the probabilities of classes, (rows, classes), against their numbers, (rows,); nan is unknown."""
    from sklearn.metrics import confusion_matrix, roc_auc_score

    known = ~np.isnan(truth)
    classes = probabilities.shape[1]
    t, p = truth[known].astype(np.intp), probabilities[known].astype(np.float64)
    if not t.size:
        return ClassScores(0, float("nan"), float("nan"), float("nan"), ((0,) * classes,) * classes)
    wrong = np.arange(classes) == (t[:, None] + 1) % classes
    p = np.where(np.isfinite(p).all(axis=1, keepdims=True), p, wrong)  # what is not finite is as bad as can be
    said = p.argmax(axis=1) if classes > 2 else (p[:, 1] > p[:, 0]).astype(np.intp)
    area = float("nan")
    if len(np.unique(t)) == classes:
        area = float(roc_auc_score(t, p[:, 1]) if classes == 2 else roc_auc_score(t, p, multi_class="ovo"))
    given = np.maximum(p[np.arange(len(t)), t], np.finfo(np.float64).tiny)
    matrix = confusion_matrix(t, said, labels=np.arange(classes)).tolist()
    return ClassScores(len(t), float((said == t).mean()), float(-np.log(given).mean()), area, tuple(map(tuple, matrix)))


def _power_of_two(values: FloatArray) -> float:
    """Half the largest finite value or more, but no more than it: dividing by it rounds nothing."""
    return float(2.0 ** (np.frexp(np.abs(values[np.isfinite(values)]).max(initial=0.0))[1] - 1.0))


def linear_predictions(inputs: Any, t: FloatArray, new_inputs: Any) -> FloatArray:
    """What ordinary least squares, fitted to (inputs, t), says for new inputs; each target on the rows that know it.

    Inputs are standardised first, for scikit-learn drops what is 1e-6 of the largest: columns of small numbers.
    """
    from sklearn.linear_model import LinearRegression

    predictions = np.empty((len(new_inputs), t.shape[1]))
    of_inputs, of_targets = Scaling.fit(inputs), Scaling.fit(t)
    scaled, wanted, new = of_inputs.apply(inputs), of_targets.apply(t), of_inputs.apply(new_inputs)
    with np.errstate(all="ignore"):  # what an outlier makes infinite is scored as such
        for j in range(t.shape[1]):
            known = ~np.isnan(t[:, j])
            predictions[:, j] = LinearRegression().fit(scaled[known], wanted[known, j]).predict(new)
        return predictions * of_targets.sd + of_targets.mean


def logistic_probabilities(inputs: FloatArray, t: FloatArray, classes: int, new_inputs: FloatArray) -> FloatArray:
    """What scikit-learn's logistic regression, fitted to standardised inputs and classes (rows,), says for new inputs.

    Probabilities (rows, classes); 0 for a class that does not occur in t.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    of_inputs, known = Scaling.fit(inputs), ~np.isnan(t)
    present = np.unique(t[known]).astype(np.intp)
    probabilities = np.zeros((len(new_inputs), classes))
    if len(present) == 1:
        probabilities[:, present] = 1.0
        return probabilities
    with np.errstate(all="ignore"), _without(ConvergenceWarning):
        model = LogisticRegression(max_iter=1000).fit(of_inputs.apply(inputs)[known], t[known].astype(np.intp))
        probabilities[:, present] = model.predict_proba(of_inputs.apply(new_inputs))
    return probabilities


def folds(rows: int, number: int, seed: int, classes: FloatArray | None = None) -> list[tuple[Array, Array]]:
    """Divide rows by scikit-learn's KFold, or StratifiedKFold for classes (rows,); of each fold the rows in and out.

    Classes with fewer rows than folds are spread as far as they go; rows of an unknown class are spread too.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    state = seed % 2**32  # scikit-learn takes no larger ones
    if classes is None or len(np.unique(classes)) < 2:
        return list(KFold(number, shuffle=True, random_state=state).split(np.empty((rows, 1))))
    with _without(UserWarning):  # of classes with fewer rows than folds
        of_rows = np.where(np.isnan(classes), -1, classes).astype(np.intp)
        if np.bincount(of_rows + 1).max() < number:
            return folds(rows, number, seed)
        return list(StratifiedKFold(number, shuffle=True, random_state=state).split(np.empty((rows, 1)), of_rows))


def mean(found: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The mean of each figure over several sets of scores, of those that know it; rows and confusions are added up."""
    return {
        target: {name: _mean([one[target][name] for one in found]) for name in found[0][target]} for target in found[0]
    }


def _mean(found: Sequence[Any]) -> Any:
    figures: dict[str, Any] = {}
    for field in fields(found[0]):
        each = [getattr(one, field.name) for one in found]
        values = np.array(each)
        if each[0] is None:
            figures[field.name] = None
        elif field.name == "confusion":
            figures[field.name] = tuple(map(tuple, values.sum(axis=0).tolist()))
        else:
            known = values[~np.isnan(values)]
            mean = float(known.mean()) if known.size else float("nan")
            figures[field.name] = int(values.sum()) if field.name == "rows" else mean
    return type(found[0])(**figures)
