"""Progress of a run on a terminal: epochs done, E, time left; nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Report(Protocol):
    """Called after each epoch with its running E and, where there is one, its validation E."""

    def __call__(self, running: float, validation: float | None, part: float | None = None) -> None:
        """Show them; ``part`` is the share of an epoch that has just been done, if it is not at its end."""


@contextmanager
def progress(epochs: int, wanted: bool | None, what: str = "epoch") -> Iterator[Report]:
    """A progress bar of epochs, or of what else is counted, on standard error.

    If wanted, or by default if standard error is a terminal.
    """
    if wanted is None:
        wanted = sys.stderr is not None and sys.stderr.isatty()
    if not wanted:
        yield lambda running, validation, part=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(what),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.fields[E]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=console.is_terminal) as bar:  # elsewhere its last line stays
        task = bar.add_task(what, total=epochs, E="")
        done = 0

        def report(running: float, validation: float | None, part: float | None = None) -> None:
            nonlocal done
            if part is not None:
                bar.update(task, advance=part)
                return
            done += 1
            held_out = "" if validation is None else f", validation {validation:.4g}"
            bar.update(task, completed=done, E="" if running != running else f"E {running:.4g}{held_out}")

        yield report
