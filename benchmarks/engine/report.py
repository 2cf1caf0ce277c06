"""What is printed, kept as JSON and put into the documentation: the machine, and a few tables a question."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from measure import Found, How

LIBRARIES = ("chainrule", "numpy", "llvmlite", "jax", "optax", "torch", "scikit-learn", "onnx", "onnxruntime")

HEADER = """
import json, platform, sys
sys.path.insert(0, sys.argv[1])
from report import versions
from chainrule.engines.cpu.machine import has_fma, vector_bytes
print(json.dumps({"python": platform.python_version(), "vector bytes": vector_bytes(), "fma": has_fma(), **versions()}))
"""

BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
"""What encloses the place for figures on the page."""


@dataclass
class Table:
    """A title, columns, rows of texts, what else must be said, the figures behind it, and what should not be."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def versions() -> dict[str, str]:
    """Of each library; "not installed" where there is none."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def header(how: How) -> dict[str, Any]:
    """The machine and the versions that the contestants use."""
    asked = [how.python, "-c", HEADER, str(Path(__file__).parent)]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": load(),
        **json.loads(done.stdout),
    }


def load() -> float:
    """Processes that want to run, on average over the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def header_lines(header: dict[str, Any]) -> Iterator[str]:
    """The header for reading."""
    fma = "with" if header["fma"] else "without"
    vectors = f"vectors of {header['vector bytes']} bytes {fma} multiply-add"
    yield f"{header['processor']}, {header['cores']} cores, {vectors}"
    yield f"Python {header['python']}, " + ", ".join(f"{name} {header[name]}" for name in LIBRARIES)
    yield f"{header['date']}, load average {header['load']}"


def text(table: dict[str, Any]) -> str:
    """A table for a terminal."""
    rows = [table["columns"], *table["rows"]]
    widths = [max(len(row[n]) for row in rows) for n in range(len(table["columns"]))]
    lines = [table["title"], ""]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, *table["notes"], *(f"WRONG: {one}" for one in table["wrong"]), ""])


def markdown(table: dict[str, Any]) -> str:
    """A table for the documentation."""
    columns = len(table["columns"])
    rows = [table["columns"], ["---", *["---:"] * (columns - 1)], *table["rows"]]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    notes = ["", " ".join(one if one.endswith(".") else f"{one}." for one in table["notes"])] if table["notes"] else []
    return "\n".join([f"### {table['title']}", "", *lines, *notes, ""])


def page(text: str, files: list[Path]) -> str:
    """The page with the tables of these files in the place for them."""
    runs = [run for file in files for run in json.loads(file.read_text(encoding="utf-8"))]
    parts: list[str] = []
    for run in runs:
        lines = "\n\n".join(header_lines(run["header"]))
        if lines not in parts:
            parts.append(lines)
        parts += [markdown(table) for table in run["tables"]]
    before, rest = text.split(BEGIN)
    return before + BEGIN + "\n" + "\n\n".join(part.rstrip() for part in parts) + "\n\n" + END + rest.split(END)[1]


# --- numbers for reading -------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float) -> str:
    """A ratio."""
    return f"{number(value)}×"


def spread(values: Sequence[float]) -> str:
    """The smallest and the largest."""
    return f"{number(min(values))}–{number(max(values))}"


def raw(name: str, found: Found, **more: Any) -> dict[str, Any]:
    """What JSON keeps of a contestant: every round."""
    kept: dict[str, Any] = {"name": name, **more}
    if found.seconds:
        kept |= {"seconds": found.seconds, "median": statistics.median(found.seconds), "cores": round(found.cores, 2)}
    return kept | ({"why not": found.why_not} if found.why_not else {})


def missing(found: dict[str, Found]) -> list[str]:
    """Who did not take part, and why."""
    return [f"{name}: {one.why_not}" for name, one in found.items() if one.why_not]


def crowded(found: dict[str, Found], threads: int) -> list[str]:
    """Who kept more cores busy than it was given."""
    return [f"{name} kept more than {threads} busy" for name, one in found.items() if one.cores > 1.15 * threads]
