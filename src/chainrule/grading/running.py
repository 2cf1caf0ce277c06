"""Running somebody's file in a process of its own: with a time limit, and believing nothing that comes back.

The process is started with the cases on its standard input and answers with lines of JSON on a pipe of its own; what it
prints goes to another. Nothing is unpickled. Letters: those of the paper.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from chainrule.files.model_file import BadFile
from chainrule.grading import worker
from chainrule.grading.cases import Case

MOST_BYTES = 200_000_000
"""Of answers: more is no answer."""

MOST_PRINTED = 2_000
"""Bytes of what the file prints that are kept."""

GRACE = 2.0
"""Seconds after the time limit in which the process says where it is."""


@dataclass
class Answers:
    """What a file answered: by function one answer for each case (None where it was not reached), and what else."""

    functions: list[str] = field(default_factory=list)
    conventions: list[str] = field(default_factory=list)
    results: dict[str, list[dict[str, Any] | None]] = field(default_factory=dict)
    chained: dict[tuple[str, int], Any] = field(default_factory=dict)
    printed: str = ""
    printed_more: int = 0


def run(path: Path, cases: Sequence[Case], time_limit: float) -> Answers:
    """Run the file on the cases; a function that does not come back is left out, and the rest run again.

    Raises
    ------
    BadFile
        If it is missing, is no Python, ends before its functions can be called, or has none of them.
    """
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise BadFile(f"FILE must be a file of Python; got {str(path)!r}, {what}. Name your file.")
    answers = Answers()
    wanted = list(worker.ARGUMENTS)
    while wanted:
        stopped_in = _once(path, cases, wanted, time_limit, answers)
        if stopped_in is None:
            break
        wanted = wanted[wanted.index(stopped_in) + 1 :]
    return answers


def run_here(module: Any, path: str, cases: Sequence[Case]) -> Answers:
    """The same in this process, for a module that is trusted."""
    answers = Answers()
    worker.serve(
        module, path, [case.given() for case in cases], list(worker.ARGUMENTS),
        lambda message: _take(json.loads(json.dumps(message)), answers, len(cases)),
    )  # fmt: skip
    _require_functions(answers, path)
    return answers


def _request(cases: Sequence[Case], wanted: Sequence[str]) -> bytes:
    packed = [
        {
            letter: value
            if letter == "activations"
            else [worker.pack(one) for one in value]
            if isinstance(value, list)
            else worker.pack(value)
            for letter, value in case.given().items()
        }
        for case in cases
    ]
    return json.dumps({"cases": packed, "wanted": list(wanted)}).encode()


def _once(path: Path, cases: Sequence[Case], wanted: Sequence[str], limit: float, answers: Answers) -> str | None:
    """Run the file once; the function in which it stopped for good, or None."""
    full = str(path.resolve())
    results, channel = os.pipe()
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as traces:
        request.write(_request(cases, wanted))
        request.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-P", worker.__file__, full, str(channel), str(traces.fileno()), str(limit)],
            stdin=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(channel, traces.fileno()),
            env=environment,
            start_new_session=True,
        )
        try:
            os.close(channel)
            lines, finished = _listen(process, results, time.monotonic() + limit + GRACE, answers)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(results)
            assert process.stdout is not None
            process.stdout.close()
        traces.seek(0)
        trace = traces.read(100_000).decode("utf-8", "replace")
    return _understood(lines, finished, trace, process.returncode, full, limit, answers, len(cases))


def _listen(
    process: subprocess.Popen[bytes], results: int, deadline: float, answers: Answers
) -> tuple[list[Any], bool]:
    """Every message of the process until it ends, and whether it did before the deadline."""
    assert process.stdout is not None
    received, printed, total = bytearray(), process.stdout.fileno(), 0
    with selectors.DefaultSelector() as selector:
        selector.register(results, selectors.EVENT_READ)
        selector.register(printed, selectors.EVENT_READ)
        while results in selector.get_map() or (process.poll() is None and selector.get_map()):
            left = deadline - time.monotonic()
            if left <= 0 or total > MOST_BYTES:
                return _messages(received), False
            for key, _ in selector.select(min(left, 0.2)):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fd)
                elif key.fd == results:
                    received += data
                    total += len(data)
                else:
                    room = MOST_PRINTED - len(answers.printed)
                    answers.printed += data[: max(room, 0)].decode("utf-8", "replace")
                    answers.printed_more += max(len(data) - room, 0)
    return _messages(received), True


def _messages(received: bytearray) -> list[Any]:
    found = []
    for line in bytes(received).split(b"\n"):
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            found += [message] if isinstance(message, dict) else []
    return found


def _take(message: dict[str, Any], answers: Answers, cases: int) -> None:
    """Put one message where it belongs; what does not look like one is left aside."""
    event, name, n = message.get("event"), message.get("function"), message.get("case")
    if event == "loaded":
        answers.functions = [one for one in worker.ARGUMENTS if one in message.get("functions", ())]
        answers.conventions = [str(one) for one in message.get("conventions", ())]
    elif name in worker.ARGUMENTS and isinstance(n, int) and 0 <= n < cases:
        if event == "result" and ("error" in message or "value" in message):
            answers.results.setdefault(name, [None] * cases)[n] = message
        elif event == "chained":
            answers.chained[name, n] = message.get("value")


def _understood(
    messages: Sequence[dict[str, Any]], finished: bool, trace: str, code: int, path: str, limit: float,
    answers: Answers, cases: int,
) -> str | None:  # fmt: skip
    """Take in what came, and say in which function the process stopped for good."""
    doing: tuple[str, int] | None = None
    done = loaded = False
    for message in messages:
        if message.get("event") == "failed":
            _fail(message, path)
        loaded = loaded or message.get("event") == "loaded"
        done = done or message.get("event") == "done"
        _take(message, answers, cases)
        name, n = message.get("function"), message.get("case")
        if name in worker.ARGUMENTS and isinstance(n, int) and 0 <= n < cases:
            doing = (name, n) if message.get("event") == "calls" else None
    late = not finished or "Timeout" in trace
    line = _line(trace, path) if late else None
    if not loaded:
        at = f" (in line {line})" if line else ""
        got = f"one that still runs after {limit:g} s{at}" if late else f"one that ends the process, exit code {code}"
        raise BadFile(
            f"FILE must define its functions and return; got {Path(path).name!r}, {got}. Put what it runs under "
            "if __name__ == '__main__'."
        )
    _require_functions(answers, path)
    if done or doing is None:
        return None
    name, n = doing
    ended = f"ends the whole process, exit code {code}" if code >= 0 else f"crashes, by signal {-code}"
    text = f"more than {limit:g} s" if late else ended
    error = {"type": "TimeLimit" if late else "Died", "text": text, "line": line, "code": _code(path, line)}
    answers.results.setdefault(name, [None] * cases)[n] = {"error": error}
    return name


def _require_functions(answers: Answers, path: str) -> None:
    if not answers.functions:
        raise BadFile(
            f"FILE must define at least one of {', '.join(worker.ARGUMENTS)}; got {Path(path).name!r}, which has none. "
            "Begin with what chainrule grade --template prints."
        )


def _fail(message: dict[str, Any], path: str) -> NoReturn:
    """Say why the file could not be loaded."""
    name, line = Path(path).name, message.get("line")
    at = f" in line {line}" if line else ""
    text = " ".join(str(message.get("text", "")).split())
    if message.get("syntax"):
        raise BadFile(f"FILE must be a file of Python; got {name!r}, which is none{at}: {text}. Correct that line.")
    if message.get("type") == "SystemExit":
        raise BadFile(
            f"FILE must define its functions and return; got {name!r}, which ends itself{at}. Put what it runs under "
            "if __name__ == '__main__'."
        )
    raise BadFile(
        f"FILE must run without an error; got {message.get('type')}{at} of {name!r}: {text}. Correct that line first."
    )


def _line(trace: str, path: str) -> int | None:
    """The innermost line of the file in what faulthandler wrote."""
    shown = path.encode("ascii", "backslashreplace").decode()
    found = (match for match in re.finditer(r'File "(.*)", line (\d+) in', trace))
    return next((int(match[2]) for match in found if match[1] == shown), None)


def _code(path: str, line: int | None) -> str:
    if line is None:
        return ""
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[line - 1].strip()[:200] if line <= len(lines) else ""
