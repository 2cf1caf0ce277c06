"""What the verbs share: their common options, and how tables, numbers and files leave them."""

from __future__ import annotations

import functools
import json
import math
import os
import statistics
import tempfile
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.writing import write_whole

if TYPE_CHECKING:
    from chainrule.model import Model

MOST_SHOWN = 10
"""Classes up to which a confusion matrix is shown whole."""

model_argument = click.argument("model", type=click.Path(path_type=Path))
tables_argument = click.argument("tables", metavar="TABLE...", nargs=-1, required=True, type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON, for machines.")
force_option = click.option("--force", is_flag=True, help="Replace an existing file.")


def dialect_options(command: Any) -> Any:
    """How a text file is written, where that is not found out; given to the command as ``dialect``."""

    @functools.wraps(command)
    def with_dialect(
        *given: Any,
        delimiter: str | None,
        decimal: str | None,
        encoding: str | None,
        no_header: bool,
        gap: tuple[str, ...],
        **named: Any,
    ) -> Any:
        dialect = None
        if no_header or gap or any(one is not None for one in (delimiter, decimal, encoding)):
            from chainrule.tables import Dialect

            mark = {"tab": "\t", "\\t": "\t", "space": " ", "blank": " "}.get(str(delimiter), delimiter)
            dialect = Dialect(mark, decimal, encoding, False if no_header else None, gaps=gap)
        return command(*given, dialect=dialect, **named)

    for option in (
        click.option(
            "--gap",
            multiple=True,
            metavar="WORD",
            help="Cell that is missing, such as 'k.A.'; may be given several times, and the model remembers it.",
        ),
        click.option("--no-header", is_flag=True, help="The file has no line of names; columns are x0, x1 and so on."),
        click.option("--encoding", help="Of a text file; by default found out."),
        click.option("--decimal", type=click.Choice([".", ","]), help="Decimal mark; by default found out."),
        click.option("--delimiter", help="Between cells: a character, 'tab' or 'space'; by default found out."),
    ):
        with_dialect = option(with_dialect)
    return with_dialect


def one_or_all(tables: Sequence[Path]) -> Any:
    """The only table, or the list of all."""
    return tables[0] if len(tables) == 1 else list(tables)


def require_new(path: Path | None, force: bool, *inputs: Path, option: str = "-o") -> None:
    """Refuse to replace a file without --force, and what is read in any case, before any work is done."""
    if path is None:
        return
    read = [given for given in inputs if given.exists() and path.exists()]
    if any(path.samefile(given) or given.resolve() in path.resolve().parents for given in read):
        raise click.UsageError(
            f"{option} must be another file than those that are read; got {str(path)!r}. Name a new one."
        )
    if path.is_dir():
        raise click.UsageError(f"{option} must be a file; got {str(path)!r}, which is a folder. Name a file in it.")
    if path.exists() and not path.is_file():
        raise click.UsageError(
            f"{option} must be a file; got {str(path)!r}, which is a device or a pipe. Leave {option} out."
        )
    if path.exists() and not force:
        raise click.UsageError(
            f"{option} must be a new file; got {str(path)!r}, which exists. Add --force to replace it."
        )
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"{option} must be in a folder that exists; got {str(path)!r}. Make the folder first.")
    try:
        with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
            pass
    except OSError as error:
        raise click.UsageError(
            f"{option} must be in a folder that can be written to; got {str(path)!r} ({str(error.strerror).lower()}). "
            "Choose another."
        ) from None


def as_json_text(value: Any) -> str:
    """What is not finite as null, which JSON has."""
    return json.dumps(_plain(value), indent=2) + "\n"


def write_json(value: Any) -> None:
    """To standard output."""
    click.echo(as_json_text(value), nl=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def printable(text: object) -> str:
    """The text on one line, without the codes by which a name from a file could steer the terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in str(text))


def write_lines(text: str) -> None:
    """A sentence on standard output, in lines of 80 columns."""
    click.echo(textwrap.fill(printable(text), 80, break_long_words=False, break_on_hyphens=False))


def write_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output, its first column to the left and the others to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    click.secho(textwrap.fill(printable(title), 80), bold=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for n, column in enumerate(columns):
        table.add_column(column, justify="left" if n == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(printable, row))
    console = Console(highlight=False, markup=False)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def write_scores(
    found: Mapping[str, Mapping[str, Any]], rows: str, targets: Any = None, folds: Sequence[Any] = ()
) -> None:
    """The scores of each target, the network first, and what to know of few rows or a constant target."""
    for j, (target, of_one) in enumerate(found.items()):
        each = [*of_one.values()]
        count = each[0].rows
        if hasattr(each[0], "r2"):
            heads: tuple[str, ...] = ("R²", "RMSE", "MAE")
            names: tuple[str, ...] = ("r2", "rmse", "mae")
            if each[0].coverage is not None:
                heads, names = (*heads, "in 90 %"), (*names, "coverage")
        else:
            heads, names = ("accuracy", "log loss", "ROC AUC"), ("accuracy", "log_loss", "roc_auc")
        columns = [
            ["" if getattr(one, name) is None else f"{getattr(one, name):.3f}" for one in each]
            if name in {"r2", "accuracy", "roc_auc", "coverage"}
            else alike([getattr(one, name) for one in each])
            for name in names
        ]
        if folds:
            spread = [_spread([getattr(fold[target][name], names[0]) for fold in folds]) for name in of_one]
            columns[0] = [
                cell if one != one else f"{cell} ± {one:.3f}" for cell, one in zip(columns[0], spread, strict=True)
            ]
        write_table(
            f"{target}: {count:,} {rows}",
            ("", *heads),
            [(name, *cells) for name, *cells in zip(of_one, *columns, strict=True)],
        )
        if hasattr(each[0], "confusion") and targets is not None:
            _write_confusion(target, targets.fields[j].levels, each[0].confusion)
        if any(getattr(one, names[0]) != getattr(one, names[0]) for one in each):
            write_lines(
                f"{heads[0]} is nan because the target does not vary in these rows: there is nothing to explain"
            )
            click.echo()
        elif count < 10:
            write_lines(f"{count} rows are too few to trust these figures")
            click.echo()


def _spread(values: Sequence[float]) -> float:
    """The standard deviation of those that are known."""
    known = [value for value in values if value == value]
    return statistics.stdev(known) if len(known) > 1 else math.nan


def _write_confusion(target: str, levels: Sequence[str], confusion: Sequence[Sequence[int]]) -> None:
    """Rows of each class by predicted class; of many classes only the pairs that are confused most."""
    if len(levels) <= MOST_SHOWN:
        write_table(
            f"{target}: rows of each class, down, by predicted class, across",
            ("", *levels),
            [(level, *map(str, row)) for level, row in zip(levels, confusion, strict=True)],
        )
        return
    pairs = [(confusion[a][b], levels[a], levels[b]) for a in range(len(levels)) for b in range(len(levels)) if a != b]
    worst = [pair for pair in sorted(pairs, key=lambda pair: -pair[0])[:MOST_SHOWN] if pair[0]]
    if worst:
        write_table(
            f"{target}: classes confused most",
            ("class", "taken for", "rows"),
            [(a, b, str(count)) for count, a, b in worst],
        )


def alike(values: Sequence[float]) -> list[str]:
    """Numbers of one column with the same number of decimals, four digits for the largest."""
    largest = max((abs(value) for value in values if value - value == 0), default=0.0)
    if not 1e-3 <= largest < 1e7:
        return [f"{value:.4g}" for value in values]
    decimals = sum(largest < limit for limit in (1000, 100, 10, 1, 0.1, 0.01))
    return [f"{value:.{decimals}f}" for value in values]


def say_which(model: Any) -> None:
    """Of several networks, which one is looked at."""
    if model.count > 1:
        write_lines(f"{model.count} networks predict together; this is the first of them")


def write_text(path: Path, text: Iterable[str]) -> None:
    """A file written whole or not at all, part by part; a symbolic link stays and leads to it."""
    write_whole(path, (part.encode() for part in text))


INTERRUPTED = {
    "choosing": "training was interrupted before all ways of training were tried; this is the best network until then",
    "training": "training was interrupted; these are the best weights until then",
    "reporting": "training was finished, and interrupted before its report",
}


def interrupted(model: Any) -> str:
    """In which state a model was saved whose training did not come to its end, in words; else nothing."""
    stage = model.fitted.get("interrupted")
    return "" if stage is None else INTERRUPTED.get(str(stage), "training was interrupted")


def model_in(path: Path) -> Model:
    """The model in a file; one that cannot be opened is bad data, as a table is."""
    from chainrule.files.model_file import BadFile
    from chainrule.model import load

    try:
        return load(path)
    except OSError as error:
        raise BadFile(str(error)) from error
