"""`chainrule doctor`: whether this machine has what Chainrule needs, and whether that works."""

from __future__ import annotations

import os
import platform
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module, metadata
from itertools import product
from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import json_option, printable, write_json

NEEDED = {
    "numpy": "numpy",
    "scipy": "scipy.special",
    "pyarrow": "pyarrow",
    "narwhals": "narwhals",
    "scikit-learn": "sklearn.linear_model",
    "numba": "numba",
    "safetensors": "safetensors",
}
"""Packages that Chainrule cannot do without, and a module of each whose import shows that it works."""

OPTIONAL = {
    "jax": "pip install 'chainrule[jax]' to run the page under jax.jit",
    "matplotlib": "pip install 'chainrule[plot]' to draw",
    "sympy": "pip install 'chainrule[prove]' to prove derivations",
    "tensorboardX": "pip install tensorboardX to log for TensorBoard",
}
"""Packages that add something, and how to get it."""

OUTPUTS = {
    "sse": "identity",
    "cross_entropy": "softmax",
    "poisson": "exp",
    "huber": "identity",
    "absolute": "identity",
}
"""Every objective, and the output activation that it is tried with."""


class BrokenError(Exception):
    """What does not work, with what to do."""


MARKS = {True: "ok", None: "-", False: "BROKEN"}


@dataclass(frozen=True)
class Item:
    """One thing that was looked at: ok, broken, or None for what is not needed; and what is so, or what to do."""

    name: str
    ok: bool | None
    said: str


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Say whether Chainrule works on this machine.

    Looks at versions, processor, memory and engines, certifies the gradient of every activation and objective, and
    writes and reads a table and a model. Ends with exit code 1 if something is broken.
    """
    found = []
    for item in _items():
        found.append(item)
        if not as_json:
            _write(item)
    broken = [item.name for item in found if item.ok is False]
    if as_json:
        write_json({"ok": not broken, "items": [asdict(item) for item in found]})
    else:
        click.echo(f"\nbroken: {', '.join(broken)}" if broken else "\neverything works")
    if broken:
        raise SystemExit(1)


def _write(item: Item) -> None:
    head = f"{MARKS[item.ok]:<7} {item.name:<13} "
    lines = textwrap.wrap(printable(item.said), 80 - len(head), break_on_hyphens=False)
    click.echo(head + f"\n{'':{len(head)}}".join(lines))


def _items() -> Iterator[Item]:
    """Everything that is looked at, one after the other."""
    yield Item("chainrule", True, metadata.version("chainrule"))
    system = f"{platform.python_implementation()}, {platform.system()} {platform.machine()}"
    yield Item("python", True, f"{platform.python_version()} ({system})")
    for package, module in NEEDED.items():
        yield _tried(package, partial(_needed, package, module))
    for package, cure in OPTIONAL.items():
        try:
            yield Item(package, True, metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Item(package, None, f"not installed, and not needed; {cure}")
    yield _tried("processor", _processor)
    yield _tried("memory", _memory)
    yield _tried("BLAS", _blas)
    yield _tried("engines", _engines)
    yield _tried("gradients", _gradients)
    yield _tried("files", _files)


def _tried(name: str, look: Callable[[], str]) -> Item:
    """What a look says, or what it ran into."""
    try:
        return Item(name, True, look())
    except BrokenError as error:
        return Item(name, False, str(error))
    except Exception as error:
        return Item(name, False, f"{type(error).__name__}: {error}")


def _needed(package: str, module: str) -> str:
    try:
        import_module(module)
        return metadata.version(package)
    except Exception as error:
        raise BrokenError(
            f"{package} must be installed and load; got {str(error).rstrip('.')}. Run pip install --force-reinstall "
            f"{package}."
        ) from error


def _processor() -> str:
    import numpy as np

    found: Any = np.show_config(mode="dicts")
    vectors = found.get("SIMD Extensions", {})
    known = [*vectors.get("baseline", []), *vectors.get("found", [])]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = f"{usable} of {os.cpu_count()} cores" if usable != os.cpu_count() else f"{usable} cores"
    return f"{_processor_name()}, {cores}, vector instructions {', '.join(known) or 'unknown'}"


def _processor_name() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def _memory() -> str:
    page, gib = os.sysconf("SC_PAGE_SIZE"), 1 << 30
    whole = f"{os.sysconf('SC_PHYS_PAGES') * page / gib:.1f} GiB"
    if "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return whole
    return f"{whole}, {os.sysconf('SC_AVPHYS_PAGES') * page / gib:.1f} GiB of it free"


def _blas() -> str:
    from threadpoolctl import threadpool_info

    import_module("numpy")
    found = [one for one in threadpool_info() if one["user_api"] == "blas"]
    said = {
        f"{one['internal_api']} {one['version'] or ''} ({one.get('architecture') or 'unknown'}), {one['num_threads']} "
        f"thread{'' if one['num_threads'] == 1 else 's'}"
        for one in found
    }
    return "; ".join(sorted(said)) or "none that says its name; NumPy uses another"


def _engines() -> str:
    from chainrule import engines

    modules = {name: engines.load(name) for name in engines.ENGINES}
    taken = next(name for name, module in modules.items() if module is engines.load("auto"))
    return f"{', '.join(modules)}; 'auto' takes {taken!r}"


def _gradients() -> str:
    """Certify small networks: each activation in a hidden layer, with each objective."""
    import numpy as np

    from chainrule import Network, check
    from chainrule.activations import ACTIVATIONS

    random, started, worst, wrong = np.random.default_rng(0), time.perf_counter(), 0.0, []
    hidden = [name for name, row in ACTIVATIONS.items() if not row.vector]
    for name, objective in product(hidden, OUTPUTS):
        net = Network([3, 4, 2], activations=[name, OUTPUTS[objective]], objective=objective, seed=0)
        t = np.eye(2)[random.integers(0, 2, 5)] if objective == "cross_entropy" else random.uniform(0.2, 2, (5, 2))
        certificate = check(net, random.normal(size=(5, 3)), t)
        worst = max(worst, certificate.relative_error)
        wrong += [] if certificate.ok else [f"{name} with {objective}"]
    if wrong:
        raise BrokenError(
            f"gradients must agree with the oracles; got a relative error of {worst:.0e}, in {len(wrong)} networks, "
            f"the first {wrong[0]}. Run pip install --force-reinstall numpy scipy, and report it if that does not help."
        )
    seconds = time.perf_counter() - started
    return f"{len(hidden)} activations with {len(OUTPUTS)} objectives certified to {worst:.0e} in {seconds:.1f} s"


def _files() -> str:
    import numpy as np

    from chainrule import Network, load, save
    from chainrule.tables import read_table

    with tempfile.TemporaryDirectory() as folder:
        table, model = Path(folder) / "table.csv", Path(folder) / "model.safetensors"
        table.write_text("a;b\n1,5;x\n2,5;y\n", encoding="utf-8")
        read = read_table(table)
        if (read.names, read.values.tolist()) != (("a", "b"), [[1.5, 0.0], [2.5, 1.0]]):
            raise BrokenError(
                f"a table must be read as it was written; got {read.values.tolist()}. Run pip install "
                "--force-reinstall pyarrow."
            )
        net = Network([2, 3, 1], seed=0)
        save(net, model)
        if not np.array_equal(load(model).network.theta, net.theta):
            raise BrokenError(
                "a model must be read as it was written; got other weights. Run pip install --force-reinstall "
                "safetensors."
            )
        return f"a table and a model were written to {Path(folder).parent} and read back"
