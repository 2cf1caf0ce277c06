"""What the verbs share: their common options, and how tables, numbers and files leave them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

model_argument = click.argument("model", type=click.Path(path_type=Path))
table_argument = click.argument("table", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON, for machines.")
force_option = click.option("--force", is_flag=True, help="Replace an existing file.")


def require_new(path: Path | None, force: bool, *inputs: Path) -> None:
    """Refuse to replace a file without --force, and what is read in any case, before any work is done."""
    if path is None:
        return
    if any(path.exists() and given.exists() and path.samefile(given) for given in inputs):
        raise click.UsageError(f"-o must be another file than those that are read; got {str(path)!r}. Name a new one.")
    if path.is_dir():
        raise click.UsageError(f"-o must be a file; got {str(path)!r}, which is a folder. Name a file in it.")
    if path.exists() and not path.is_file():
        raise click.UsageError(f"-o must be a file; got {str(path)!r}, which is a device or a pipe. Leave -o out.")
    if path.exists() and not force:
        raise click.UsageError(f"-o must be a new file; got {str(path)!r}, which exists. Add --force to replace it.")
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"-o must be in a folder that exists; got {str(path)!r}. Make the folder first.")


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

    table = Table(title=printable(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for n, column in enumerate(columns):
        table.add_column(column, justify="left" if n == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(printable, row))
    console = Console(highlight=False, markup=False)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def write_scores(found: Mapping[str, Mapping[str, Any]], rows: str) -> None:
    """R², RMSE and MAE of each target, the network first, and what to know of few rows or a constant target."""
    for target, of_one in found.items():
        columns = [[f"{one.r2:.3f}" for one in of_one.values()]]
        columns += [alike([getattr(one, name) for one in of_one.values()]) for name in ("rmse", "mae")]
        count = next(iter(of_one.values())).rows
        write_table(
            f"{target}: {count:,} {rows}",
            ("", "R²", "RMSE", "MAE"),
            [(name, *cells) for name, *cells in zip(of_one, *columns, strict=True)],
        )
        if any(one.r2 != one.r2 for one in of_one.values()):
            write_lines("R² is nan because the target does not vary in these rows: there is nothing to explain")
            click.echo()
        elif count < 10:
            write_lines(f"{count} rows are too few to trust these figures")
            click.echo()


def alike(values: Sequence[float]) -> list[str]:
    """Numbers of one column with the same number of decimals, four digits for the largest."""
    largest = max((abs(value) for value in values if value - value == 0), default=0.0)
    if not 1e-3 <= largest < 1e7:
        return [f"{value:.4g}" for value in values]
    decimals = sum(largest < limit for limit in (1000, 100, 10, 1, 0.1, 0.01))
    return [f"{value:.{decimals}f}" for value in values]


def write_text(path: Path, text: str) -> None:
    """A file written whole or not at all; a symbolic link stays and leads to it."""
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise OSError(
            f"{str(path)!r} cannot be written: {error.strerror}. Nothing was changed. Choose another place."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
