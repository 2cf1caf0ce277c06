"""What is kept of a run: E per epoch, and how the run ended."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass
class History:
    """A run, epoch by epoch.

    Attributes
    ----------
    rule : str
    running : list of float
        The running E of each epoch: the mean of E over the epoch's patterns, each taken just before the update that
        uses it. For L-BFGS and Levenberg-Marquardt, E at the end of the iteration.
    validation : list of float
        The exact E of the validation patterns after each epoch; empty without them.
    learning_rates : list of float
        The learning rate of the last update of each epoch; empty for those two, which have none.
    E : float
        The exact E of the training patterns at the weights that were kept.
    best_constant : float
        E of the best prediction that is the same for every pattern, on the training patterns.
    best_validation : float
        The smallest E of the validation patterns, without the penalties: what the weights are chosen by.
    best_epoch : int
        The epoch, from 1, whose weights were kept; 0 if the start was best.
    stopped : str
        Why the run ended.
    warning : str
        What is wrong with the result, if a constant predicts better; else empty.
    seconds : float
    memory : Memory or None
        What the rule remembers at the end, with which ``train(..., after=history)`` goes on; None for those two.
    """

    rule: str = ""
    running: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    E: float = float("nan")
    best_constant: float = float("nan")
    best_validation: float = float("nan")
    best_epoch: int = 0
    stopped: str = ""
    warning: str = ""
    seconds: float = 0.0
    memory: Any = field(default=None, repr=False, compare=False)

    @property
    def epochs(self) -> int:
        """How many were run."""
        return len(self.running)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without the memory of the rule."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "memory"}
        return {name: [*value] if isinstance(value, list) else value for name, value in values.items()}

    def to_frame(self) -> Any:
        """As a data frame of pandas, a row an epoch: running and validation E and learning rate, where there are."""
        try:
            pandas = importlib.import_module("pandas")
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "pandas must be installed for a data frame; got none. Install pandas, or use history.to_dict()."
            ) from None
        curves = {name: getattr(self, name) for name in ("running", "validation", "learning_rates")}
        known = {name: curve for name, curve in curves.items() if curve or name == "running"}
        return pandas.DataFrame(known, index=pandas.RangeIndex(1, self.epochs + 1, name="epoch"))

    def follow(self, before: History) -> None:
        """Begin where another ended."""
        for name in ("running", "validation", "learning_rates"):
            getattr(self, name)[:] = getattr(before, name)
        self.best_epoch = self.epochs

    def plot(self, ax: Any = None) -> Any:
        """Draw it by :func:`chainrule.plots.epochs`, on these axes or in a new figure; return the figure."""
        from chainrule.plots import epochs

        return epochs(self, ax)

    def __str__(self) -> str:
        """One line."""
        kept = f", kept those of epoch {self.best_epoch:,}" if self.validation else ""
        return f"{self.rule}: {self.epochs:,} epochs in {self.seconds:.3g} s, {self.stopped}{kept}; E = {self.E:.6g}"
