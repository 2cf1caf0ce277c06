"""Progress of a run on a terminal: epochs done, E, time left; nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Report(Protocol):
    """Called after each epoch with its running E and, where there is one, its validation E."""

    def __call__(self, running: float, validation: float | None) -> None:
        """Show them."""


@contextmanager
def progress(epochs: int, wanted: bool | None) -> Iterator[Report]:
    """A progress bar on standard error: if wanted, or by default if standard error is a terminal."""
    if wanted is None:
        wanted = sys.stderr is not None and sys.stderr.isatty()
    if not wanted:
        yield lambda running, validation: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.fields[E]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=console.is_terminal) as bar:  # elsewhere its last line stays
        task = bar.add_task("epoch", total=epochs, E="")

        def report(running: float, validation: float | None) -> None:
            held_out = "" if validation is None else f", validation {validation:.4g}"
            bar.update(task, advance=1, E=f"E {running:.4g}{held_out}")

        yield report
