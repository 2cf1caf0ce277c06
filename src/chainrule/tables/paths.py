"""Which files a table is given as: one, several, or those of a folder, all of one format."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.tables.formats import format_of
from chainrule.tables.table import BadData, short


def are_paths(table: Any) -> bool:
    """Whether a table is given as a path or several."""
    several = isinstance(table, list | tuple) and len(table) > 0
    return all(isinstance(one, str | os.PathLike) for one in (table if several else (table,)))


def files_of(table: Any) -> tuple[list[Path], str]:
    """Return the files that one path or several stand for, and what messages call them."""
    given = table if isinstance(table, list | tuple) else (table,)
    paths = [path for one in given for path in files_in(Path(one))]
    if len(paths) == 1:
        return paths, paths[0].name
    return paths, Path(given[0]).resolve().name if len(given) == 1 else f"the {len(paths)} files"


def common_format(paths: Sequence[Path]) -> str:
    """The one format of files that make one table."""
    formats = [format_of(path) for path in paths]
    for path, other in zip(paths, formats, strict=True):
        if other != formats[0]:
            raise BadData(
                f"files of one table must have one format; got {formats[0]} in {paths[0].name} and {other} in "
                f"{path.name}. Name files of one format."
            )
    return formats[0]


def files_in(path: Path) -> list[Path]:
    """Return a file, or the files of a folder and of those in it, in the order of their names."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            files = sorted(_below(path))
            if not files:
                raise BadData(
                    f"table must be a file or a folder of files; got {_shown(path)}, which is empty. "
                    "Name a folder with files in it."
                )
            return files
        if stat.S_ISREG(mode):
            with path.open("rb"):
                return [path]
    except BadData:
        raise
    except (FileNotFoundError, NotADirectoryError):
        if str(path) == "-":
            raise BadData(
                "table must be a file, which is read more than once; got '-' for standard input. Save what comes from "
                "it as a file first."
            ) from None
        address = re.match(r"[a-z][a-z0-9+]*:/", str(path))
        hint = " Download it first." if address else _did_you_mean(path) or " Check the path."
        raise BadData(f"table must be an existing file; got {_shown(path)}.{hint}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadData(
            f"table must be a file that can be read; got {_shown(path)} ({reason}). Check its path and permissions."
        ) from None
    raise BadData(
        f"table must be a file or a folder of files; got {_shown(path)}, which is a pipe or a device. "
        "Save what comes from it as a file first."
    )


def _below(folder: Path) -> list[Path]:
    """The files of a folder and of those in it, such as year=2024, but for those that programs keep to themselves."""
    files = []
    for entry in folder.iterdir():
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            files += _below(entry)
        elif entry.is_file():
            files.append(entry)
    return files


def _shown(path: Path) -> str:
    return short(str(path), 200)


def _did_you_mean(path: Path) -> str:
    """Ask for the file beside it whose name is nearest, suffixes aside."""
    stem = path.name.partition(".")[0].casefold()
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return ""
    of_stems: dict[str, list[str]] = {}
    for name in names:
        of_stems.setdefault(name.partition(".")[0].casefold(), []).append(name)
    close = difflib.get_close_matches(stem, of_stems, n=1)
    if not close:
        return ""
    found = of_stems[close[0]]
    return f" Did you mean {short(next((name for name in found if Path(name).suffix == path.suffix), found[0]))}?"
