"""What is kept of a run: E per epoch, and how the run ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class History:
    """A run, epoch by epoch.

    Attributes
    ----------
    rule : str
    running : list of float
        The running E of each epoch: the mean of E over the epoch's patterns, each taken just before the update that
        uses it. For L-BFGS, E at the end of the iteration.
    validation : list of float
        The exact E of the validation patterns after each epoch; empty without them.
    learning_rates : list of float
        The learning rate of the last update of each epoch; empty for L-BFGS, which has none.
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

    @property
    def epochs(self) -> int:
        """How many were run."""
        return len(self.running)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def plot(self, ax: Any = None) -> Any:
        """Draw it by :func:`chainrule.plots.epochs`, on these axes or in a new figure; return the figure."""
        from chainrule.plots import epochs

        return epochs(self, ax)

    def __str__(self) -> str:
        """One line."""
        kept = f", kept those of epoch {self.best_epoch:,}" if self.validation else ""
        return f"{self.rule}: {self.epochs:,} epochs in {self.seconds:.3g} s, {self.stopped}{kept}; E = {self.E:.6g}"
