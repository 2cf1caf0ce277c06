"""Importing is cheap and every name is where it is looked for: heavy libraries are loaded only by what needs them."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src" / "chainrule"
MODULES = sorted(SOURCES.rglob("*.py"))

HEAVY = {"numba", "jax", "sklearn", "pyarrow", "matplotlib", "pandas", "polars", "narwhals", "safetensors", "sympy"}
DOORS = {"click", "rich"}
HELP = "import contextlib; from chainrule.cli import main\nwith contextlib.suppress(SystemExit): main(['--help'])"
ONE_STEP = """
import numpy as np
from chainrule import Network, error, error_terms, forward, gradient, input_gradient, jacobian, train, update
net = Network([3, 4, 2], activations=["gelu", "softmax"], objective="cross_entropy")
t = np.eye(2)[[0, 1]]
trace = forward(net, np.ones((2, 3)))
e = error_terms(net, trace, t)
net = update(net, gradient(net, trace, e), learning_rate=0.1)
error(net, trace, t), input_gradient(net, e), jacobian(net, trace)
train(net, np.ones((2, 3)) * [[1], [2]], t, epochs=2)
"""


def loaded_after(code: str, wanted: set[str]) -> set[str]:
    """Which of these libraries a new process has loaded after the code."""
    report = f"\nimport sys; print('loaded:', *sorted({wanted!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_importing_chainrule_loads_nothing_heavy() -> None:
    """`import chainrule` loads none of the libraries that anything of it needs, NumPy included."""
    assert loaded_after("import chainrule", HEAVY | DOORS | {"numpy", "scipy"}) == set()


def test_help_loads_nothing_heavy() -> None:
    """`chainrule --help` loads click and no other library."""
    assert loaded_after(HELP, HEAVY | DOORS | {"numpy", "scipy"}) == {"click"}


def test_the_page_and_training_load_no_table_file_or_door() -> None:
    """A network is made, differentiated and trained with NumPy and SciPy alone."""
    assert loaded_after(ONE_STEP, HEAVY | DOORS | {"numpy"}) == {"numpy"}


def test_a_library_that_is_loaded_is_noticed() -> None:
    """The twin: the same look sees a heavy library where one is loaded."""
    assert loaded_after("import chainrule, pyarrow", HEAVY) == {"pyarrow"}
    assert {"narwhals", "pyarrow"} <= loaded_after("from chainrule import tables; tables.read_table([[1]])", HEAVY)


# --------------------------------------------------------------------------------------------------------- public names


def test_every_public_name_resolves() -> None:
    """Each name of __all__ is there, is what its module has under that name, and is listed by dir."""
    assert list(chainrule.__all__) == sorted(set(chainrule.__all__))
    for name in chainrule.__all__:
        value = getattr(chainrule, name)
        home = importlib.import_module(value.__module__)
        assert getattr(home, name) is value
        assert value.__doc__
    listed = chainrule.__dir__()
    assert set(chainrule.__all__) <= set(listed)
    assert len(listed) == len(set(listed))


def test_type_checkers_see_the_same_names() -> None:
    """What is imported for type checkers is what is loaded when asked for: the same names from the same modules."""
    tree = ast.parse((SOURCES / "__init__.py").read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    declared = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert declared == {name: f"chainrule.{home}" for name, home in chainrule._HOME.items()}


def test_unknown_names_are_attribute_errors() -> None:
    """A name that is not there is an AttributeError that says so, for getattr and for from-import."""
    with pytest.raises(AttributeError, match=r"^module 'chainrule' has no attribute 'Netwrok'$"):
        chainrule.Netwrok  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Netwrok'"):
        from chainrule import Netwrok  # noqa: F401
    assert not hasattr(chainrule, "__wrapped__")


def test_the_version_is_that_of_the_package() -> None:
    """__version__ is what is installed, and what pyproject.toml says."""
    said = re.search(r'(?m)^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert said is not None
    assert chainrule.__version__ == said[1]


def dotted(path: Path) -> str:
    """The name by which a module is imported."""
    parts = path.relative_to(SOURCES.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_public_function_has_the_name_of_a_module() -> None:
    """chainrule.check is a function and nothing else, whatever has been imported before."""
    modules = {dotted(path).split(".")[1] for path in MODULES if dotted(path) != "chainrule"}
    assert not modules & set(chainrule.__all__)
    for path in MODULES:
        importlib.import_module(dotted(path))
    assert all(not isinstance(getattr(chainrule, name), type(sys)) for name in chainrule.__all__)


def imported(tree: ast.AST) -> Iterator[str]:
    """The libraries that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_no_module_has_the_name_of_a_library_it_imports() -> None:
    """Nobody reading `import x` in a module called x has to wonder which of the two it is."""
    for path in MODULES:
        libraries = set(imported(ast.parse(path.read_text(encoding="utf-8"))))
        assert dotted(path).split(".")[-1] not in libraries - {"chainrule"}, path
    assert "numpy" in set(imported(ast.parse("import numpy.linalg as n\nfrom . import x")))  # the look is not blind


# ----------------------------------------------------------------------------------------------------- nobody's machine

KEPT = ["src", "tests", "docs", "examples", "benchmarks", "script", "requirements", ".ci"]
PLACES = re.compile(
    r"""(?<![\w./~\]])/(?:home|root|Users|work|opt|srv|mnt)/[\w.]  # a path of one machine
    | [A-Z]:\\(?:Users|home)
    | (?<!no-emit-)index-url\b | \bpypi\.|\bpythonhosted\b                     # an address of a package index
    | \blocalhost: | (?<![=.\d])(?:\d{1,3}\.){3}\d{1,3}\b(?!\.)            # an address on a network
    | \b[\w.+-]+@[\w-]+\.(?!example\b)[\w.]+                        # somebody's mail
    """,
    re.VERBOSE,
)


def files() -> Iterator[Path]:
    """Every file of text that belongs to the project; what is built stays out."""
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in KEPT:
        for parent, folders, names in os.walk(ROOT / folder):
            folders[:] = [
                name for name in folders if name not in ("_build", "__pycache__") and not name.endswith(".egg-info")
            ]
            yield from (Path(parent) / name for name in names)


def test_no_file_speaks_of_a_machine() -> None:
    """No path of a home, no address of a package index, of a computer or of a person stands in any file."""
    seen = 0
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        seen += 1
        for number, line in enumerate(text.splitlines(), 1):
            assert path == Path(__file__) or not PLACES.search(line), (
                f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            )
    assert seen > 60


def test_paths_and_addresses_would_be_noticed() -> None:
    """The twin: what must not stand in a file is found where it does, and what may is not."""
    bad = [
        "see /home/ann/x",
        '"/root/.cache"',
        r"C:\Users\ann",
        "--index-url https://x",
        "pypi.org/simple",
        "http://10.0.0.7/x",
    ]
    bad += ["localhost:8080", "ann@mail.com", "cd /work/x"]
    assert [line for line in bad if not PLACES.search(line)] == []
    good = [
        "/dev/full",
        "src/home/x",
        "a/work/b",
        "numpy>=2.0",
        "0.1.2",
        "x @ y.T",
        "https://github.com/a/b",
        "@pytest.fixture",
    ]
    assert [line for line in good if PLACES.search(line)] == []


def test_files_are_written_in_one_place() -> None:
    """What brings a file to the disk and gives it its name stands in one module, which every door uses."""
    found = {
        path.name
        for path in SOURCES.rglob("*.py")
        if re.search(r"\bfsync\b|mkstemp|\.replace\(target", path.read_text("utf-8"))
    }
    assert found == {"writing.py"}
