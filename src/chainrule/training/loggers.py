"""Loggers: callbacks that write a line an epoch, at once, where another program can follow it.

Each has the same columns: the number of the epoch, the running E, the validation E, the learning rate of its last
update, and the seconds since the run began. What a run does not have is empty.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, TextIO

from chainrule.training.callbacks import Run

Row = dict[str, float | None]
COLUMNS = ("epoch", "running", "validation", "learning_rate", "seconds")


def row(run: Run) -> Row:
    """The columns of the epoch that has ended."""
    validation = run.history.validation[-1] if run.history.validation else None
    return dict(
        zip(COLUMNS, (run.epoch, run.history.running[-1], validation, run.learning_rate, run.seconds), strict=True)
    )


class _Lines:
    """A file of a line an epoch, after a head; a file that stands there is replaced when the run begins."""

    def __init__(self, path: str | os.PathLike[str], head: str, line: Callable[[Row], str]) -> None:
        self.path, self._head, self._line = os.fspath(path), head, line
        self._file: TextIO | None = None

    def before_epoch(self, run: Run) -> None:
        """Open the file, before the first epoch, so that a bad path costs no time."""
        if self._file is None:
            with _in_words("path", "a file", self.path):
                self._file = open(self.path, "w", encoding="utf-8", newline="")  # noqa: PTH123, SIM115  closed by close
            self._write(self._head)

    def after_epoch(self, run: Run) -> None:
        """Write the line."""
        self._write(self._line(row(run)))

    def _write(self, text: str) -> None:
        assert self._file is not None
        try:
            with _in_words("path", "a file", self.path):
                self._file.write(text)
                self._file.flush()
        except OSError:
            with suppress(OSError):  # what could not be written is tried once more, and said once
                self.close()
            raise

    def close(self) -> None:
        """Close the file; it is called at the end of a run."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


class JSONLLogger(_Lines):
    """A callback that writes each epoch as a line of JSON, its columns by name.

    Parameters
    ----------
    path : path
        A file that stands there is replaced.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "", lambda values: json.dumps(values, allow_nan=False) + "\n")


class CSVLogger(_Lines):
    """A callback that writes each epoch as a line of a table with commas, under a line of names.

    Parameters
    ----------
    path : path
        A file that stands there is replaced.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(
            path,
            ",".join(COLUMNS) + "\n",
            lambda values: ",".join("" if v is None else repr(v) for v in values.values()) + "\n",
        )


class TensorBoardLogger:
    """A callback that writes each epoch for TensorBoard: E/running, E/validation, learning_rate.

    Parameters
    ----------
    folder : path
        A folder for each run; TensorBoard shows all that lie under the one it is given.

    Raises
    ------
    ImportError
        Unless tensorboardX or PyTorch with TensorBoard is installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.fspath(folder)
        self._make = _summary_writer()
        self._writer: Any = None

    def before_epoch(self, run: Run) -> None:
        """Open the folder, before the first epoch."""
        if self._writer is None:
            with _in_words("folder", "a folder", self.folder):
                self._writer = self._make(self.folder)

    def after_epoch(self, run: Run) -> None:
        """Write the numbers."""
        values = row(run)
        names = {"running": "E/running", "validation": "E/validation", "learning_rate": "learning_rate"}
        with _in_words("folder", "a folder", self.folder):
            for column, name in names.items():
                if values[column] is not None:
                    self._writer.add_scalar(name, values[column], run.epoch)
            self._writer.flush()

    def close(self) -> None:
        """Close the folder's file; it is called at the end of a run."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


def _summary_writer() -> Any:
    for module in ("tensorboardX", "torch.utils.tensorboard"):
        with suppress(ImportError):
            return import_module(module).SummaryWriter
    raise ImportError(
        "TensorBoardLogger must have tensorboardX, or PyTorch with TensorBoard, to write with; got neither. "
        "Run pip install tensorboardX."
    )


@contextmanager
def _in_words(argument: str, what: str, place: str) -> Iterator[None]:
    """What the system refuses, as a sentence."""
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise OSError(
            f"{argument} must be {what} that can be written; got {place!r}: {why}. Choose another, or free some space."
        ) from error
