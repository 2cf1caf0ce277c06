"""Tables in text files: what separates the cells, the decimal mark, the encoding; then Arrow's columns.

The beginning of a file is looked at here, in Python; its cells are read by pyarrow. What is not given in a `Dialect` is
found out.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import csv
import gzip
import io
import lzma
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

import numpy as np

from chainrule.tables.columns import (
    EXACT,
    FORMS,
    MISSING,
    Facts,
    Reading,
    Where,
    decide,
    has_zeros,
    look,
    stacked,
    values,
)
from chainrule.tables.table import (
    BadData,
    Places,
    Table,
    Text,
    Texts,
    checked_names,
    positions,
    require_same_columns,
    short,
)

if TYPE_CHECKING:
    import pyarrow as pa

BEGINNING = 1 << 22
"""Characters at the beginning of a file from which its dialect is found out; the header lies in them."""

RECORDS = 100
"""Rows at the beginning of a file that are looked at."""

PIECE = 1 << 24
"""Bytes of a file that are read at a time where it is not read whole."""

LONGEST = 16
"""Pieces that one row may fill."""

SEPARATORS = (";", "\t", "|", ",", " ")
"""What may separate cells, in the order in which one is preferred if several could; a blank stands for runs of them."""

DECIMAL = {
    mark: re.compile(
        rf"[+-]?([0-9]*{mark}([0-9]{{1,2}}|[0-9]{{4,}})|0{mark}[0-9]+|[0-9]{{1,3}}({other}[0-9]{{3}})+{mark}[0-9]+)"
    )
    for mark, other in ((",", r"\."), (r"\.", ","))
}
"""Numbers whose decimal mark is beyond doubt."""


@dataclass(frozen=True)
class Dialect:
    r"""How a table is written as text; what is None is found out.

    Parameters
    ----------
    delimiter : str, optional
        The character between cells: ",", ";", "\t", "|" or another one; " " stands for runs of blanks and tabs.
    decimal : str, optional
        "." or ",", the mark before decimals; the other one may stand between thousands.
    encoding : str, optional
        As Python calls it: "utf-8", "utf-16", "cp1252", "latin-1", …
    header : bool, optional
        Whether the first line holds the columns' names. Without, they are called x0, x1, …
    usual : str, optional
        The decimal mark where the numbers do not tell: that of the table that a model was trained on.
    gaps : sequence of str
        Words that mark a missing cell, such as "k.A.", beside those that always do; in a data frame or a file whose
        columns have types, among its texts.
    """

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    header: bool | None = None
    usual: str | None = None
    gaps: Sequence[str] = ()

    def __post_init__(self) -> None:
        words = (self.gaps,) if isinstance(self.gaps, str) else self.gaps
        if not np.iterable(words) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"gaps must be a list of words; got {self.gaps!r:.200}. Pass ['k.A.'] for one.")
        object.__setattr__(self, "gaps", tuple(dict.fromkeys(word.strip() for word in words)))
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ValueError(
                f"delimiter must be one character, such as ',', ';' or '\\t', and ' ' for runs of blanks; "
                f"got {self.delimiter!r}. Leave it out to have it found out."
            )
        if self.decimal not in {None, ".", ","}:
            raise ValueError(f"decimal must be '.' or ','; got {self.decimal!r}. Leave it out to have it found out.")
        try:
            "a".encode("utf-8" if self.encoding is None else self.encoding)
        except (LookupError, ValueError):
            raise ValueError(
                f"encoding must be one that Python knows; got {self.encoding!r}. Pass 'utf-8', 'cp1252' or 'utf-16'."
            ) from None


def missing_in(dialect: Dialect | None) -> frozenset[str]:
    """Texts that mean a missing value where a missing one can be told apart."""
    return frozenset(("", *(() if dialect is None else dialect.gaps)))


@dataclass(frozen=True)
class Layout:
    """How one text file is written.

    Attributes
    ----------
    path : Path
    names : tuple of str
        Of the columns, from the header.
    delimiter : str
        One character; a blank stands for runs of blanks and tabs.
    decimal : str
        "." or ","; empty if the beginning of the file does not tell.
    sure : bool
        Whether the user has said which decimal mark it is.
    encoding : str
    above : int
        How many lines stand above the first row: comments, blank ones, the header.
    rewritten : bool
        Whether blanks must be taken out between cells before pyarrow can read them.
    named : bool
        False if there is no header.
    gaps : tuple of str
        Words that the user has said to mark a missing cell.
    """

    path: Path
    names: tuple[str, ...]
    delimiter: str
    decimal: str
    sure: bool
    encoding: str
    above: int
    rewritten: bool
    named: bool
    gaps: tuple[str, ...] = ()

    @property
    def missing(self) -> frozenset[str]:
        """Cells that mean a missing value."""
        return MISSING.union(self.gaps)

    @property
    def plain(self) -> bool:
        """Whether pyarrow can read the file as it is; of one column, it would take blank lines at the end for rows."""
        return self.encoding == "utf-8-sig" and not self.rewritten and len(self.names) > 1

    @property
    def decimals(self) -> str:
        """Decimal marks that numbers in texts may have."""
        return self.decimal if self.sure else "." if self.delimiter == "," else ".,"

    @property
    def preferred(self) -> str:
        """The decimal mark of 1,234."""
        return self.decimal or {",": ".", ";": ","}.get(self.delimiter, "")

    def line(self, row: int) -> str | None:
        """Say on which line a row (from 0) stands, if the file is still there: "line 18 of houses.csv"."""
        try:
            number = next(islice(_rows(self), row, None), None)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, csv.Error):
            return None
        return None if number is None else f"line {number} of {self.path.name}"


# ---------------------------------------------------------------------------------------------- the beginning of a file


def layout(path: Path, dialect: Dialect | None = None) -> Layout:
    """Find out how a text file is written, as far as `dialect` does not say."""
    dialect = dialect or Dialect()
    encoding = _encoding(path, dialect)
    with _lines(path, encoding) as file:
        beginning = file.read(BEGINNING)
        while len(lines := list(io.StringIO(beginning, newline=""))) < 3 and (more := file.read(len(beginning))):
            beginning += more  # a table so wide that its header alone fills the beginning
        if file.read(1) and len(lines) > 1:
            lines.pop()  # cut off
    if "\0" in beginning:
        raise BadData(
            f"{path.name} must be a table; got a binary file, or text in UTF-16 (it holds zero bytes). "
            "Save the table as CSV in UTF-8."
        )
    above, comment, separator = _top(lines)
    rows = lines[above:]
    if not rows:
        raise BadData(f"{path.name} must have a header line and rows; got an empty file. Save the table again.")
    delimiter = dialect.delimiter or separator or _delimiter(rows)
    rewritten = delimiter == " " or any(re.search(rf'{re.escape(delimiter)}[ \t]+"', line) for line in rows[:RECORDS])
    try:
        records = _records(rows, delimiter, rewritten)
    except csv.Error:
        raise endless(path) from None
    first = [cell.strip() for cell in records[0][1]]
    header = dialect.header
    if comment and header is None and _looks_like_data(first):
        words = _records([comment.lstrip("#").lstrip()], delimiter, rewritten)
        if words and len(words[0][1]) == len(first):
            records, header, first = [(0, []), *records], True, [cell.strip() for cell in words[0][1]]
    if header is False:
        names = tuple(f"x{j}" for j in range(len(first)))
        below = records
    else:
        names, below = _header(path, first, records[1:], delimiter, header), records[1:]
        above += records[0][0]
    decimal = dialect.decimal or _decimal([cell for _, record in below for cell in record], delimiter)
    decimal = decimal or (dialect.usual if dialect.usual and delimiter != "," else "")
    return Layout(
        path,
        names,
        delimiter,
        decimal,
        dialect.decimal is not None,
        encoding,
        above,
        rewritten,
        header is not False,
        tuple(dialect.gaps),
    )


def _encoding(path: Path, dialect: Dialect) -> str:
    """The encoding of a file: by its first bytes, or else the first one that all of it can be read in."""
    with opened(path) as file:
        start = file.read(4)
    if start.startswith(codecs.BOM_UTF8) or (dialect.encoding and codecs.lookup(dialect.encoding).name == "utf-8"):
        candidates = ["utf-8-sig"]
    elif dialect.encoding is not None:
        candidates = [dialect.encoding]
    elif start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        candidates = ["utf-32"]
    elif start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates = ["utf-16"]
    else:
        candidates = ["utf-8-sig", "cp1252", "latin-1"]
    for candidate in candidates:
        decoder = codecs.getincrementaldecoder(candidate)()
        try:
            with unpacking(path), opened(path) as file:
                while chunk := file.read(1 << 20):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
        except UnicodeError as error:
            failure = error
        else:
            return candidate
    raise BadData(
        f"{path.name} must be text in {candidates[0].removesuffix('-sig')}; its bytes are not ({reason(failure)}). "
        "Name its encoding (--encoding, or encoding in a Dialect), or save it in UTF-8."
    )


def _top(lines: Sequence[str]) -> tuple[int, str, str]:
    """How many lines stand above the table, the last comment among them, and the separator that Excel names there."""
    comment, separator = "", ""
    for number, line in enumerate(lines):
        if number == 0 and re.fullmatch(r"sep=.\s*", line):
            separator = line[4]
        elif line.startswith("#"):
            comment = line
        elif line.strip():
            return number, comment, separator
    return len(lines), comment, separator


def _delimiter(lines: Sequence[str]) -> str:
    """What separates the cells of these lines: what divides all of them, or most, into as many cells as the header."""
    best, most = ",", 0.5
    for delimiter in SEPARATORS:
        try:
            records = [record for _, record in _records(lines, delimiter, delimiter == " ")]
        except csv.Error:
            continue
        columns = len(records[0])
        widths = Counter(len(record) for record in records[1:]) or Counter([columns])
        if columns == 1:
            continue
        if delimiter == " " and not any(re.fullmatch(FORMS["."], cell) for record in records[1:] for cell in record):
            continue
        if set(widths) == {columns}:
            return delimiter
        agreeing = max(widths[columns], widths[columns + 1]) / widths.total()  # R names no column for the names of rows
        if agreeing > most:
            best, most = delimiter, agreeing
    alone = "," not in lines[0] and all(re.fullmatch(FORMS[","], line.strip()) for line in lines[1:RECORDS])
    return ";" if alone else best  # one column of decimal commas


def _looks_like_data(cells: Sequence[str]) -> bool:
    """Whether a first line holds values: a number, unless numbers count something off, as years do."""
    found = [cell for cell in cells if any(re.fullmatch(form, cell) for form in FORMS.values())]
    if not found or len(found) == len(cells) or not all(cell.isdigit() for cell in found):
        return bool(found)
    steps = np.sign(np.diff([float(cell) for cell in found]))
    return len(found) < 2 or abs(steps.sum()) < len(steps)


def _header(
    path: Path, names: Sequence[str], below: Sequence[tuple[int, list[str]]], delimiter: str, header: bool | None
) -> tuple[str, ...]:
    """Names of the columns: they must be names, and rows must stand below them."""
    text = ("," if delimiter == "," else delimiter).join(names)
    if header is None and any(names) and _looks_like_data([name for name in names if name]):
        raise BadData(
            f"{path.name} must have a header line with a name for each column; the first line looks like data: "
            f"{short(text)}. Add a line of names above it, or say that there is none (--no-header, header=False in a "
            "Dialect); header=True if these are names."
        )
    if not below:
        raise BadData(f"{path.name} must have rows below its header; got the header alone. Save the table again.")
    if len(names) > 1 and all(len(record) == len(names) + 1 and record[-1] for _, record in below):
        names = ["", *names]
    return checked_names(names, path.name)


def _decimal(cells: Sequence[str], delimiter: str) -> str:
    """The decimal mark that numbers among these cells have beyond doubt; none if they do not tell."""
    if delimiter == ",":
        return "."
    comma, point = (sum(pattern.fullmatch(cell.strip()) is not None for cell in cells) for pattern in DECIMAL.values())
    return "," if comma > point else "." if point > comma else ""


# ------------------------------------------------------------------------------------------------------ bytes and lines


def opened(path: Path) -> BinaryIO:
    """Open a file to read its bytes, unpacked if it is packed, whatever its name."""
    import pyarrow as pa

    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.open(path))
    if start.startswith(b"BZh"):
        return cast("BinaryIO", bz2.open(path))
    if start.startswith(b"\xfd7zXZ"):
        return cast("BinaryIO", lzma.open(path))
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return cast("BinaryIO", pa.CompressedInputStream(pa.OSFile(os.fsencode(path)), "zstd"))
    return path.open("rb")


@contextlib.contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """Say in one sentence that a packed file is damaged."""
    import pyarrow as pa

    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, pa.ArrowException, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        raise BadData(
            f"{path.name} must be a whole file; it cannot be unpacked ({reason(error)}). Download or pack it again."
        ) from None


def reason(error: Exception) -> str:
    """What an error says, in one short line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:150].rstrip(".")


def _lines(path: Path, encoding: str) -> TextIO:
    """Open a file to read its lines, each with its own end."""
    return io.TextIOWrapper(opened(path), encoding=encoding, errors="replace", newline="")


def _without_blanks(text: str, delimiter: str) -> str:
    """Take blanks out of lines of text, outside quotation marks: of runs between cells one is left, of others none."""
    if delimiter != " ":
        blank = re.compile(rf'("(?:[^"]|"")*")|(?<={re.escape(delimiter)})[ \t]+')
        return blank.sub(lambda found: found[1] or "", text)
    if '"' not in text:
        return re.sub(r" ?(\r\n|\r|\n) ?", r"\1", re.sub("[ \t]+", " ", text)).strip(" ")
    blank = re.compile(r'("(?:[^"]|"")*")|[ \t]*(\r\n|\r|\n)[ \t]*|[ \t]+')
    return blank.sub(lambda found: found[1] or found[2] or " ", text).strip(" ")


def _records(lines: Sequence[str], delimiter: str, rewritten: bool) -> list[tuple[int, list[str]]]:
    """The first rows of these lines that are not blank: the number of the line on which each ends, and its cells."""
    if rewritten:
        lines = [_without_blanks(line, delimiter) for line in lines[: 10 * RECORDS]]
    reader = csv.reader(lines, delimiter=delimiter)
    records = []
    for record in reader:
        if any(cell.strip() for cell in record) or len(record) > 1:
            records.append((reader.line_num, record))
        if len(records) > RECORDS:
            break
    return records or [(1, [lines[0].strip()])]


def _rows(layout: Layout) -> Iterator[int]:
    """The number of the line on which each row begins; quick, but where there are quotation marks."""
    count, columns = layout.above, len(layout.names)
    with _lines(layout.path, layout.encoding) as file:

        def lines() -> Iterator[str]:
            nonlocal count
            for line in islice(file, layout.above, None):
                count += 1
                yield _without_blanks(line, layout.delimiter) if layout.rewritten else line

        below = lines()
        for line in below:
            first = count
            if '"' in line:
                next(csv.reader(chain([line], below), delimiter=layout.delimiter))
            elif _is_blank(line.rstrip("\r\n"), layout.delimiter, columns):
                continue
            yield first


def _is_blank(line: str, delimiter: str, columns: int) -> bool:
    r"""Whether a line is skipped: it has too few cells, and nothing in them (\x1a ends files of DOS)."""
    return not line.strip(" \t\x1a") and line.count(delimiter) + 1 != columns


def without_blank_end(rows: bytes, layout: Layout) -> bytes:
    r"""Rows without the blank lines below the last, which are none; of one column, one among them is a missing cell."""
    return rows.rstrip(b" \t\r\n\x1a" if len(layout.names) == 1 else b"\r\n")


def row_end(chunk: bytes, layout: Layout) -> int:
    """Where the last row ends that is whole in a chunk of rows; 0 if none is.

    That is at the end of a line, after an even number of quotation marks. Where there are marks within cells, as in
    5" pipe, it is looked for cell by cell, which is slow. Blank lines that follow are left for the next chunk, for they
    may be the end of the file.
    """
    end = _row_end(chunk, layout)
    last = len(without_blank_end(chunk[:end], layout))
    below = re.compile(rb"[ \t\x1a]*(\r\n|\r|\n)").match(chunk, last, end)
    return below.end() if below and last else last


def _row_end(chunk: bytes, layout: Layout) -> int:
    marks = np.frombuffer(b"\n" + chunk + b"\n", np.uint8)
    at = np.flatnonzero(marks == ord('"'))
    beside = list(b'"\r\n' + layout.delimiter.encode() + (b" \t" if layout.rewritten else b""))
    if not (np.isin(marks[at - 1], beside) | np.isin(marks[at + 1], beside)).all():
        return _ends(chunk, layout.delimiter)[0]
    end = b"\n" if b"\n" in chunk else b"\r"
    position, count = len(chunk), len(at)
    while position >= 0:
        before = chunk.rfind(end, 0, position)
        count -= chunk.count(b'"', max(before, 0), position)
        if before >= 0 and count % 2 == 0:
            return before + 1
        position = before
    return 0


def _ends(chunk: bytes, delimiter: str) -> tuple[int, bool]:
    """Where the last row but one ends in a chunk of rows, and whether the last row ends in an open quotation."""
    before = last = read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for line in io.StringIO(chunk.decode("latin-1"), newline=""):
            read += len(line)
            yield line

    try:
        for _ in csv.reader(lines(), delimiter=delimiter, strict=True):
            before, last = last, read
    except csv.Error as error:
        return last, "unexpected end" in str(error) or "field limit" in str(error)
    return before, False


def pieces(layout: Layout) -> Iterator[bytes]:
    """Yield the rows of a file as UTF-8, about PIECE bytes at a time, each piece ending where a row ends."""
    with _lines(layout.path, layout.encoding) as file:
        for _ in range(layout.above):
            file.readline()
        rest = b""
        while chunk := file.read(PIECE):
            rest += chunk.encode()
            end = row_end(rest, layout)
            if not end and len(rest) > LONGEST * PIECE:
                raise endless(layout.path)
            if end:
                yield as_pyarrow_reads(rest[:end], layout)
            rest = rest[end:]
        require_closed(rest, layout)
        if rest.strip():
            yield as_pyarrow_reads(without_blank_end(rest, layout), layout)


def require_closed(rows: bytes, layout: Layout) -> None:
    """Refuse rows that end in an open quotation."""
    if rows.count(b'"') % 2 and _ends(rows, layout.delimiter)[1]:
        raise _open_quotation(layout.path)


def as_pyarrow_reads(rows: bytes, layout: Layout) -> bytes:
    """Rows in UTF-8 without the blanks that pyarrow does not read over."""
    return _without_blanks(rows.decode(), layout.delimiter).encode() if layout.rewritten else rows


# -------------------------------------------------------------------------------------------------------------- pyarrow


Types = Mapping[int, Any]
"""Arrow's types of columns, by their position; those of others pyarrow finds out."""

Read = Callable[[Types, Sequence[int]], Iterable[Any]]
"""Reads columns of all files, given types of some, and returns Arrow tables."""


def parsed(layout: Layout, source: Callable[[], Any], above: int, types: Types, only: Sequence[int]) -> pa.Table:
    """Read some columns of a text file, or of a piece of one, with pyarrow."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    columns = [str(j) for j in range(len(layout.names))]
    block = min(
        max(1 << 22, len(columns) << 13), 1 << 30
    )  # bytes: more than a line; a wide table is slow in short ones
    read = arrow_csv.ReadOptions(column_names=columns, skip_rows=above, block_size=block)

    def skipped(row: Any) -> str:
        return "skip" if _is_blank(row.text, layout.delimiter, len(columns)) else "error"

    convert = arrow_csv.ConvertOptions(
        column_types={columns[j]: kind for j, kind in types.items()},
        include_columns=[columns[j] for j in only],
        decimal_point=layout.decimal or ".",
        null_values=sorted(layout.missing),
        strings_can_be_null=True,
    )
    for across_lines in (False, True):  # True is slow, and needed only for a cell over several lines between two blocks
        parse = arrow_csv.ParseOptions(
            delimiter=layout.delimiter,
            newlines_in_values=across_lines,
            ignore_empty_lines=len(columns) > 1,
            invalid_row_handler=skipped,
        )
        try:
            with source() as file:
                return arrow_csv.read_csv(file, read, parse, convert)
        except pa.ArrowInvalid as error:
            failure = error
    raise _parse_failure(layout, failure) from None


def _parse_failure(layout: Layout, error: Exception) -> BadData:
    """What made pyarrow give up on a file, with the number of the line."""
    columns, name = len(layout.names), layout.path.name
    with _lines(layout.path, layout.encoding) as file:
        lines = (_without_blanks(line, layout.delimiter) if layout.rewritten else line for line in file)
        reader, line = csv.reader(islice(lines, layout.above, None), delimiter=layout.delimiter), layout.above + 1
        try:
            for record in reader:
                runs_on = any("\n" in cell or "\r" in cell for cell in record)
                blank = len(record) < 2 and _is_blank("".join(record), layout.delimiter, columns)
                if not blank and max(len(record), 1) != columns:
                    above = f" (line {layout.above})" if layout.named else ""
                    return BadData(
                        f"{name} must have as many cells in each line as in its "
                        f"{'header' if layout.named else 'first line'}{above}, {columns}; line {line} has "
                        f"{len(record)}. Complete the line or delete it"
                        f"{', and close the quotation mark that opens in it' if runs_on else ''}."
                    )
                line = layout.above + reader.line_num + 1
        except csv.Error:
            return endless(layout.path)
    return BadData(
        f"{name} must be a table in a text file; pyarrow cannot read it: {' '.join(str(error).split())[:200]} "
        "Save the table again as plain CSV."
    )


def _open_quotation(path: Path) -> BadData:
    """Say that a quotation mark is not closed before the end of a file."""
    return BadData(
        f"{path.name} must close each quotation mark that opens a cell; one is open at the end of the file. "
        "Close it, or double quotation marks that belong to a text."
    )


def endless(path: Path) -> BadData:
    """Say that a cell is too long, be it for want of a quotation mark."""
    return BadData(
        f"{path.name} must have cells of at most {csv.field_size_limit():,} characters; one is longer, or its "
        "quotation mark is not closed. Close it, or shorten the cell."
    )


@dataclass(frozen=True)
class TextFiles:
    """Text files that make one table.

    Attributes
    ----------
    layouts : tuple of Layout
    text : dict of int to Text
        The columns that are to be text, by their positions.
    quantities : frozenset of int
        Those in which leading zeros say nothing.
    """

    layouts: tuple[Layout, ...]
    text: Mapping[int, Text]
    quantities: frozenset[int] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, in the order of the first file."""
        return self.layouts[0].names

    @property
    def missing(self) -> frozenset[str]:
        """Cells that mean a missing value."""
        return self.layouts[0].missing

    @property
    def texts(self) -> Types:
        """Arrow's types of the columns that it must leave as they are written.

        All of them where a gap is marked by what looks like a number, for Arrow would take one with blanks as such.
        """
        import pyarrow as pa

        numeral = any(re.fullmatch(FORMS[mark], word) for word in self.layouts[0].gaps for mark in FORMS)
        return dict.fromkeys(range(len(self.names)) if numeral else self.text, pa.string())

    def whole(self, types: Types, only: Sequence[int]) -> Iterator[pa.Table]:
        """Yield columns of each file."""
        for one in self.layouts:
            table = self.arranged(one, partial(_source, one), one.above if one.plain else 0, types, only)
            _require_closed(one, table)
            yield table

    def arranged(
        self, layout: Layout, source: Callable[[], Any], above: int, types: Types, only: Sequence[int]
    ) -> pa.Table:
        """Read columns of one file, which may have them in another order."""
        at = positions(self.names, layout.names, layout.path.name, "names")
        return parsed(layout, source, above, {at[j]: kind for j, kind in types.items()}, [at[j] for j in only])


def _require_closed(layout: Layout, table: pa.Table) -> None:
    """Refuse a file whose last cell goes on to the end because nothing closes its quotation mark."""
    last = [column[-1].as_py() for column in table.columns if len(column)]
    if not any(isinstance(cell, str) and ("\n" in cell or "\r" in cell) for cell in last):
        return
    with _lines(layout.path, layout.encoding) as file:
        try:
            for _ in csv.reader(islice(file, layout.above, None), delimiter=layout.delimiter, strict=True):
                pass
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise _open_quotation(layout.path) from None
            if "field limit" in str(error):
                raise endless(layout.path) from None


def _source(layout: Layout) -> Any:
    """Open a file for pyarrow."""
    import pyarrow as pa

    if not layout.plain:
        return pa.BufferReader(b"".join(pieces(layout)))
    file = opened(layout.path)
    if not isinstance(file, io.BufferedReader):
        return pa.PythonFile(file, "r")
    file.close()
    return pa.OSFile(os.fsencode(layout.path))


def text_files(paths: Sequence[Path], dialect: Dialect | None, text: Texts) -> TextFiles:
    """Find out how the files are written that make one table."""
    layouts = [layout(path, dialect) for path in paths]
    for other in layouts[1:]:
        require_same_columns(layouts[0].names, paths[0].name, other.names, other.path.name)
    marks = "".join(sorted({one.decimal for one in layouts}))
    if len(marks) > 1:
        comma, point = (next(one.path.name for one in layouts if one.decimal == mark) for mark in marks)
        raise BadData(
            f"files of one table must have the same decimal mark; got '.' in {point} and ',' in {comma}. "
            "Write them in one way."
        )
    at = dict(zip(positions(text, layouts[0].names, paths[0].name, "text"), text.values(), strict=True))
    return TextFiles(
        tuple(replace(one, decimal=marks) for one in layouts),
        {j: one for j, one in at.items() if one is not False},
        frozenset(j for j, one in at.items() if one is False),
    )


def survey(
    files: TextFiles, tables: Iterable[pa.Table], read: Read, where: Where
) -> tuple[TextFiles, list[Reading], list[Any]]:
    """Look at all cells, given as Arrow tables; return what each column is, and Arrow's types to read them in.

    `read` reads some columns again, as other types. If it turns out only now that commas stand before decimals, files
    that say so are returned, which are to be read and surveyed again.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns, first = len(files.names), files.layouts[0]
    facts, seen, large = [Facts()] * columns, [set[Any]() for _ in range(columns)], set()
    for table in tables:
        for j, column in enumerate(table.columns):
            seen[j].add(column.type)
            facts[j] += look(column, text=files.text.get(j, False), missing=files.missing)
            low, high = pc.min_max(column).as_py().values() if pa.types.is_floating(column.type) else (None, None)
            if low is not None and max(-low, high) >= EXACT:
                large.add(j)
    mixed = {j for j, one in enumerate(facts) if one.family == "mixed" or _is_text_in_part(one, seen[j])}
    again = sorted(mixed | large)
    texts = dict.fromkeys(again, Facts())
    for table in read(dict.fromkeys(again, pa.string()), again) if again else ():
        for j, column in zip(again, table.columns, strict=True):
            texts[j] += look(column, missing=files.missing)
    for j, one in texts.items():
        if j in mixed:
            facts[j] = one
        elif one.count("large"):  # a whole number that is rounded already, for want of being an int64
            facts[j] = replace(facts[j], tallies={**facts[j].tallies, "large": one.tallies["large"]})
    for j, one in _names(files, read, [j for j in range(columns) if seen[j] - {pa.null()} == {pa.int64()}]).items():
        facts[j] = one
        mixed.add(j)
    readings = [
        decide(
            name,
            one,
            where,
            text=files.text.get(j, False),
            decimals=first.decimals,
            preferred=first.preferred,
            quantities=j in files.quantities,
        )
        for j, (name, one) in enumerate(zip(files.names, facts, strict=True))
    ]
    if not first.decimal and any(reading.decimal == "," for reading in readings):
        files = replace(files, layouts=tuple(replace(one, decimal=",") for one in files.layouts))
    return files, readings, [pa.string() if j in mixed else _common(seen[j]) for j in range(columns)]


def _names(files: TextFiles, read: Read, whole: Sequence[int]) -> dict[int, Facts]:
    """Which of these columns, whole numbers to Arrow, have leading zeros, and what is known of them as texts."""
    import pyarrow as pa

    chosen = [j for j in whole if j not in files.quantities]
    if not chosen or not any(map(_may_have_zeros, files.layouts)):
        return {}
    found = dict.fromkeys(chosen, Facts())
    for table in read(dict.fromkeys(chosen, pa.string()), chosen):
        for j, column in zip(chosen, table.columns, strict=True):
            found[j] += look(column, missing=files.missing)
    return {j: one for j, one in found.items() if has_zeros(one)}


def _may_have_zeros(layout: Layout) -> bool:
    """Whether a cell of a file begins with 0 and another digit; much faster than reading its numbers as texts."""
    begins = np.zeros(256, dtype=bool)
    begins[[*b'\n\r \t"', ord(layout.delimiter)]] = True
    digit = np.zeros(256, dtype=bool)
    digit[[*b"0123456789"]] = True
    before = b"\n"
    with contextlib.ExitStack() as stack:
        if layout.encoding in {"utf-8-sig", "cp1252", "latin-1"}:
            chunks = iter(partial(stack.enter_context(opened(layout.path)).read, PIECE), b"")
        else:
            chunks = pieces(layout)
        for chunk in chunks:
            marks = np.frombuffer(before + chunk, np.uint8)
            zeros = np.flatnonzero(marks[1:-1] == ord("0")) + 1
            if (begins[marks[zeros - 1]] & digit[marks[zeros + 1]]).any():
                return True
            before = marks[-2:].tobytes()
    return False


def _is_text_in_part(facts: Facts, kinds: set[Any]) -> bool:
    """Whether part of a column of something else came as text, all of it blanks and marks of missing cells."""
    import pyarrow as pa

    return pa.string() in kinds and facts.family not in {"", "text", "category"}


def _common(kinds: set[Any]) -> Any:
    """The type in which all cells of a column can be read."""
    import pyarrow as pa

    known = kinds - {pa.null()} or {pa.null()}
    return next(iter(known)) if len(known) == 1 else pa.float64() if pa.float64() in known else pa.string()


def read_text(paths: Sequence[Path], dialect: Dialect | None, text: Texts, origin: str) -> Table:
    """Read text files whole, as one table."""
    import pyarrow as pa

    files, surveyed = text_files(paths, dialect, text), None
    while files is not surveyed:
        surveyed = files
        tables = list(files.whole(files.texts, range(len(files.names))))
        place = Places(tuple(one.line for one in files.layouts), (0, *accumulate(len(table) for table in tables)))

        bare = Table(files.names, np.empty((place.starts[-1], 0)), origin, 1, place=place)
        files, readings, types = survey(files, tables, files.whole, bare.where)
    mixed = [j for j, kind in enumerate(types) if kind == pa.string() and {one[j].type for one in tables} != {kind}]
    texts = list(files.whole(dict.fromkeys(mixed, pa.string()), mixed)) if mixed else tables
    columns = []
    for j, reading in enumerate(readings):
        parts = [table[mixed.index(j)] for table in texts] if j in mixed else [table[j] for table in tables]
        columns.append(np.concatenate([values(part, reading, missing=files.missing) for part in parts]))
    kinds = tuple(reading.kind for reading in readings)
    found = stacked(columns, len(bare))
    first = files.layouts[0]
    return replace(bare, values=found, named=first.named, kinds=kinds, decimal=first.decimal)
