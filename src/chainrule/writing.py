"""Files written whole or not at all: what every file that Chainrule makes goes through.

A new file is written beside the old one, brought to the disk, and only then takes its name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

PathName: TypeAlias = str | os.PathLike[str]

WHAT_TO_DO = {
    errno.ENOENT: "Make the folder first, or correct the path.",
    errno.EISDIR: "Name a file in that folder.",
    errno.EACCES: "Choose a place that you may write to.",
    errno.EPERM: "Choose a place that you may write to.",
    errno.EROFS: "Choose a place that you may write to.",
    errno.ENOSPC: "Free some space, or choose another disk.",
    errno.EDQUOT: "Free some space, or choose another disk.",
    errno.EFBIG: "Free some space, or choose another disk.",
}


def write_whole(path: PathName, parts: Iterable[bytes], check: Callable[[Path], None] | None = None) -> None:
    """Write a file part by part: the whole new file or, after any failure, still the old one.

    What killed runs left there is removed. A symbolic link is followed and stays.

    Parameters
    ----------
    path
        Where to write; it is a regular file, or not there.
    parts
        What to write; an error in making them leaves the old file, too.
    check
        Is given the new file before it takes its name, and raises an OSError if it is not as it must be.

    Raises
    ------
    OSError
        If the file cannot be written; of the same class and ``errno`` as the system's, with a sentence.
    """
    try:
        target = _target(path)
        _remove_abandoned(target)
        with _temporary(target) as (temporary, descriptor):
            for part in parts:
                rest = memoryview(part)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
            if check is not None:
                check(temporary)
            temporary.replace(target)
    except OSError as error:
        todo = WHAT_TO_DO.get(error.errno or 0, "Check the disk, or choose another.")
        said = f"{named(path)} cannot be written: {error.strerror or error}. Nothing was changed. {todo}"
        raise in_words(error, said) from error
    try:
        _sync_folder(target.parent)
    except OSError as error:
        said = f"{named(path)} is written, but its folder may not have reached the disk: {error.strerror or error}."
        raise in_words(error, f"{said} Check the disk and save again.") from error


def _target(path: PathName) -> Path:
    """The file to replace, behind any symbolic links; refuse what a file must not replace."""
    target = Path(os.path.realpath(path))
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return target
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "It is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "It is not a regular file")
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "It is write-protected")
    return target


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[tuple[Path, int]]:
    """A new file beside the target, gone afterwards unless it was renamed; its lock says that its writer lives."""
    while True:
        temporary = target.with_name(f"{_prefix(target)}{secrets.token_hex(8)}.tmp")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if temporary.exists():
                yield temporary, descriptor
                return
        finally:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            with contextlib.suppress(OSError):
                temporary.unlink()


def _prefix(target: Path) -> str:
    """How the names of a target's temporaries begin; short enough for any target's name."""
    return f".{target.name[:40]}."


def _remove_abandoned(target: Path) -> None:
    """Remove the temporaries of this target whose writer was killed: the kernel has released their locks."""
    pattern = re.compile(re.escape(_prefix(target)) + r"[0-9a-f]{16}\.tmp")
    with contextlib.suppress(OSError):
        for beside in target.parent.iterdir():
            if pattern.fullmatch(beside.name):
                with contextlib.suppress(OSError):
                    _remove_unless_locked(beside)


def _remove_unless_locked(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, where the file system can and the folder may be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
            raise


def in_words(error: OSError, sentence: str) -> OSError:
    """The same class and number, so that callers can tell errors apart, with a sentence for people."""
    told = type(error)(sentence)
    told.errno = error.errno
    return told


def named(path: PathName) -> str:
    """A path as messages show it."""
    return repr(os.fspath(path))
