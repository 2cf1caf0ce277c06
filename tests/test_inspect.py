"""`inspect` shows what a network does on a table, says what is wrong with it and nothing else, and explains one row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import Model, Network, error_terms, forward, gradient, save
from chainrule.cli import main
from chainrule.inspection import examine, examine_model, largest_gradients
from chainrule.tables import Dialect

Run = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process: its exit code, standard output and standard error."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def run_here(*arguments: object) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        return (end.value.code, *capsys.readouterr())

    return run_here


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with a text column and one with gaps, in two files and in one, and a model of it."""
    path = tmp_path_factory.mktemp("inspect")
    random = np.random.default_rng(0)
    rows = []
    for n, (town, area) in enumerate(zip(random.choice(["Bonn", "Rome"], 60), random.normal(9, 2, 60), strict=True)):
        known = "" if n % 9 == 4 else f"{area:.2f}"
        rows.append(f"{town};{known};{3 * area + 10 * (town == 'Rome'):.1f}".replace(".", ","))
    head = "town;area;price\n"
    (path / "all.csv").write_text(head + "\n".join(rows) + "\n")
    (path / "first.csv").write_text(head + "\n".join(rows[:40]) + "\n")
    (path / "rest.csv").write_text(head + "\n".join(rows[40:]) + "\n")
    model = Model.fit(path / "all.csv", "price", missing="mean", hidden=[10], l2=0.01, epochs=30, rule="lbfgs")
    save(model, path / "m")
    return path


def patterns(nodes: int = 4, count: int = 200) -> np.ndarray:
    """Standardised inputs."""
    return np.random.default_rng(0).normal(size=(count, nodes))


def healthy(*hidden: int, activation: str = "tanh", inputs: int = 4) -> Network:
    """A network as it starts, of which nothing is wrong."""
    sizes = [inputs, *hidden, 1]
    return Network(sizes, [activation] * len(hidden) + ["identity"], seed=1)


# --------------------------------------------------------------------------------------------------------- the numbers


def test_sizes_are_root_mean_squares_over_patterns_and_nodes() -> None:
    """x, y and e of each layer are those of the page, e over the patterns that know a target, largest the weight."""
    net, inputs = healthy(5, 3), patterns()
    t = inputs[:, :1].copy()
    t[::3] = np.nan
    found = examine(net, inputs, t)
    trace = forward(net, inputs)
    e = error_terms(net, trace, t)
    assert (found.patterns, [layer.nodes for layer in found.layers]) == (200, [4, 5, 3, 1])
    assert (found.layers[0].x, found.layers[0].e, found.layers[0].largest) == (None, None, None)
    for i, layer in enumerate(found.layers):
        # a mean of a few hundred squares, rounded otherwise
        assert layer.y == pytest.approx(np.sqrt((trace.y[i] ** 2).mean()), rel=1e-13)
        if i:
            assert layer.x == pytest.approx(np.sqrt((trace.x[i] ** 2).mean()), rel=1e-13)
            assert layer.e == pytest.approx(np.sqrt((e[i][~np.isnan(t[:, 0])] ** 2).mean()), rel=1e-13)
            assert abs(layer.largest.value) == np.abs(net.w[i]).max()
            assert layer.largest.value == eval(layer.largest.name, {"w": net.w})
    assert json.loads(json.dumps(found.to_dict()))["layers"][1]["nodes"] == 5


def test_saturated_is_a_small_slope_for_nearly_all_patterns() -> None:
    """f' below 5 % of its largest for 95 % of the patterns is saturated, for 94 % or at 6 % it is not."""
    net = Network([1, 2, 1], seed=0)
    net.w[1][:], net.b[1][:] = [[1.0], [-1.0]], 0.0
    edge = np.arccosh(np.sqrt(1 / 0.05))  # f' of tanh is 1/cosh^2, 1 at most
    for share, off, saturated in ((0.95, 0.01, (0, 1)), (0.94, 0.01, ()), (0.95, -0.01, ())):
        inputs = np.zeros((100, 1))
        inputs[: round(100 * share)] = edge + off
        assert examine(net, inputs, inputs).layers[1].saturated == saturated


def test_dead_nodes_say_the_same_for_all_patterns() -> None:
    """A node that varies with the pattern is alive, however little f' is; of one pattern nothing can be said."""
    net, inputs = healthy(6, activation="relu"), patterns()
    net.b[1][2] = -50.0
    net.w[1][4] = 0.0
    found = examine(net, inputs, inputs[:, :1])
    assert found.layers[1].dead == (2, 4)
    assert examine(net, inputs[:1], inputs[:1, :1]).layers[1].dead == ()


def test_inputs_that_take_no_part_are_named() -> None:
    """Unused is an input without weights, constant one that does not vary; names are those of the columns."""
    net, inputs = healthy(6), patterns()
    net.w[1][:, 1] = 1e-9
    inputs[:, 2] = 0.7
    found = examine(net, inputs, inputs[:, :1], ["a", "b", "c", "d"])
    assert (found.unused, found.constant) == (("b",), ("c",))
    assert found.advice == (
        "Input b has weights next to nothing beside the others. Leave it out (--ignore), unless it matters in rare "
        "rows.",
    )
    assert examine(net, inputs, inputs[:, :1]).unused == ("y[0][1]",)


# ----------------------------------------------------------------------------------------------------------- the advice


@pytest.mark.parametrize("activation", ["tanh", "logistic", "relu", "gelu", "softplus", "sine"])
def test_nothing_is_wrong_with_a_network_as_it_starts(activation: str) -> None:
    """A random start on standardised inputs gets no advice, deep or not, with or without known targets."""
    inputs = patterns()
    for hidden in ((), (16,), (16, 16, 16)):
        net = healthy(*hidden, activation=activation)
        assert examine(net, inputs, inputs[:, :1]).advice == ()
        assert examine(net, inputs, np.full((200, 1), np.nan)).advice == ()


def unscaled(net: Network, inputs: np.ndarray) -> None:
    """One column in other units."""
    inputs[:, 2] *= 1000


def saturated(net: Network, inputs: np.ndarray) -> None:
    """A quarter of the first layer at its ends."""
    net.b[1][:4] = 20.0


def fewer_saturated(net: Network, inputs: np.ndarray) -> None:
    """Fewer than a quarter, which is usual."""
    net.b[1][:3] = 4.0


def strong(net: Network, inputs: np.ndarray) -> None:
    """One weight that decides alone."""
    net.w[2][5, 3] = -900.0


def idle(net: Network, inputs: np.ndarray) -> None:
    """Nodes without weights."""
    net.w[2][7:9] = 0.0


def constant(net: Network, inputs: np.ndarray) -> None:
    """An output without weights."""
    net.w[3][:] = 0.0


def vanishing(net: Network, inputs: np.ndarray) -> None:
    """A layer through which little comes back."""
    net.w[2][:] *= 1e-4
    net.w[3][:] *= 1e-1


def growing(net: Network, inputs: np.ndarray) -> None:
    """A layer through which much comes back."""
    net.w[3][:] *= 1e5
    net.w[2][:] *= 10


def infinite(net: Network, inputs: np.ndarray) -> None:
    """Weights without measure."""
    net.theta[:] = 1e200


ILLS: dict[Callable[[Network, np.ndarray], None], list[str]] = {
    unscaled: [
        "Inputs are far from 1 as the network sees them, most of all y[0][2] with a size of",
        "13 of the 16 nodes of layer 1 are saturated",
    ],
    saturated: ["4 of the 16 nodes of layer 1 are dead"],
    fewer_saturated: [],
    strong: ["Weights are large: w[2][5,3] = -900 moves a net value by"],
    idle: ["2 of the 16 nodes of layer 2 are idle"],
    constant: ["The network says the same for all patterns", "Error terms vanish on their way back"],
    vanishing: ["Error terms vanish on their way back, from"],
    growing: ["Error terms grow on their way back, from"],
    infinite: ["Numbers of layer 1 are not finite"],
}


@pytest.mark.parametrize("ill", ILLS, ids=lambda ill: ill.__name__)
def test_what_is_wrong_is_said(ill: Callable[[Network, np.ndarray], None]) -> None:
    """Each ill has its sentence, which says what to do, and brings no other."""
    net, inputs = healthy(16, 16), patterns()
    ill(net, inputs)
    advice = examine(net, inputs, patterns()[:, :1]).advice
    assert [sentence[: len(said)] for sentence, said in zip(advice, ILLS[ill], strict=True)] == ILLS[ill]
    assert all(sentence.endswith(".") and sentence.count(". ") == 1 for sentence in advice)


def test_dead_relus_are_said() -> None:
    """Nodes that nothing moves any more are dead, and the cure is a relu that leaks."""
    net, inputs = healthy(16, activation="relu"), patterns()
    net.b[1][:3] = -50.0
    assert examine(net, inputs, inputs[:, :1]).advice == (
        "3 of the 16 nodes of layer 1 are dead: always the same output, and an f' that lets no e pass. Use leaky_relu, "
        "or a lower learning rate.",
    )


def test_patterns_of_two_lengths_are_refused() -> None:
    """Inputs and targets must belong together."""
    with pytest.raises(ValueError, match=r"^inputs and targets must have the same number of rows.*; got 2 and 3\."):
        examine(healthy(3), patterns(count=2), patterns(count=3)[:, :1])


# ---------------------------------------------------------------------------------------------------------- the command


def test_a_table_is_looked_at(run: Run, folder: Path, tmp_path: Path) -> None:
    """A line a layer, what is wrong or that nothing is, in 80 columns; as JSON the same numbers; as a picture the e."""
    code, out, err = run("inspect", folder / "m", folder / "all.csv", "--plot", tmp_path / "e.svg")
    assert (code, err) == (0, "")
    assert out.startswith("60 rows, root mean square of each layer\n")
    assert "Nothing wrong was found." in out
    assert "largest weights: w[1][" in out
    assert max(map(len, out.splitlines())) <= 80
    assert (tmp_path / "e.svg").read_text(encoding="utf-8").startswith("<?xml")
    code, out, err = run("inspect", folder / "m", folder / "all.csv", "--rows", 7, "--json")
    found = json.loads(out)
    assert (code, err, found["patterns"], found["advice"]) == (0, "", 7, [])
    assert found["layers"][1]["activation"] == "tanh"


def test_several_files_and_a_dialect(run: Run, folder: Path, tmp_path: Path) -> None:
    """Files of one table are one table, and how they are written may be said."""
    whole, parts = (
        run("inspect", folder / "m", *(folder / name for name in names), "--json")
        for names in (["all.csv"], ["first.csv", "rest.csv"])
    )
    assert whole == parts
    odd = tmp_path / "odd.csv"
    odd.write_text("town!area!price\nBonn!9.25!30\n")
    code, out, _ = run("inspect", folder / "m", odd, "--delimiter", "!", "--json")
    assert (code, json.loads(out)["patterns"]) == (0, 1)
    model = Model(healthy(3, inputs=1))
    (tmp_path / "bare.csv").write_text("1 2\n3 5\n")
    assert examine_model(model, tmp_path / "bare.csv", 1, Dialect(" ", None, None, False)).patterns == 1


def test_a_row_shows_its_gradients_as_products(run: Run, folder: Path) -> None:
    """The largest derivatives of each layer stand with their e and y, under the names of the inputs."""
    code, out, err = run("inspect", folder / "m", folder / "all.csv", "--row", 3, "--nodes", 4)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for part in (
        "0,0 town=Bonn",
        "0,3 area missing",
        "2,0 price",
        "layer 1, the largest 4 of 50 derivatives by w_1jk: -e_1j y_0,k",
        "layer 2, the largest 4 of 11 derivatives by w_2jk: -e_2j y_1,k",
    ):
        assert part in out
    pattern = json.loads(run("inspect", folder / "m", folder / "all.csv", "--row", 3, "--json")[1])
    assert f"{pattern['E_p']:.6g}" in out.splitlines()[0]


def test_largest_gradients_are_the_largest() -> None:
    """They are the page's, sorted by size, each is minus its e times its y, and a bias has y = 1."""
    net = healthy(5, 3)
    inputs = patterns(count=1)
    model = Model(net)
    pattern = model.pattern(np.hstack([inputs, [[0.3]]]), 0)
    trace = forward(net, inputs)
    g = gradient(net, trace, error_terms(net, trace, np.array([[0.3]])))
    found = largest_gradients(pattern, 7)
    assert [len(entries) for entries in found] == [7, 7, 4]
    for i, entries in enumerate(found, 1):
        every = np.append(g.w[i].ravel(), g.b[i])
        assert [abs(one["gradient"]) for one in entries] == sorted(np.abs(every), reverse=True)[: len(entries)]
        for one in entries:
            assert one["gradient"] == eval(one["name"], {"w": g.w, "b": g.b})
            assert one["gradient"] == -one["e"] * one["y"]
            assert (one["from"] is None) == one["name"].startswith("b")
    without = Model(Network([2, 1], bias=False, seed=0)).pattern(np.ones((1, 3)), 0)
    assert [one["name"] for one in largest_gradients(without, 9)[0]] == ["w[1][0,0]", "w[1][0,1]"]


def test_the_model_alone_says_what_its_columns_hold(run: Run, folder: Path) -> None:
    """Texts have levels and a node each, numbers mean and deviation, and where gaps are allowed that is said."""
    code, out, err = run("inspect", folder / "m")
    assert (code, err) == (0, "")
    assert out.startswith("regression: sse network 4-10-1, 61 parameters")
    assert [line.split() for line in out.splitlines() if line.startswith((" town", " area"))] == [
        ["town", "text,", "2", "levels", "2"],
        ["area", "number", "2", *(f"{one:.6g}" for one in means_of(folder)), "allowed"],
    ]
    assert json.loads(run("inspect", folder / "m", "--json")[1])["input_nodes"] == [
        "town=Bonn",
        "town=Rome",
        "area",
        "area missing",
    ]


def means_of(folder: Path) -> tuple[float, float]:
    """Mean and deviation of the area, as the model has them."""
    from chainrule import load

    scaling = load(folder / "m").inputs
    assert scaling is not None
    return float(scaling.mean[2]), float(scaling.sd[2])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--row", "1"], "TABLE and --row must be given together; got --row alone."),
        (
            ["--plot", "e.png"],
            "--plot must stand beside a TABLE and without --row, for it shows all rows; got it without",
        ),
        (["all.csv", "--row", "1", "--plot", "e.png"], "for it shows all rows; got it with --row. Leave out one"),
        (["all.csv", "--plot", "e.gif"], "a picture must end in .png, .svg or .pdf; got 'e.gif'."),
        (["all.csv", "--plot", "m"], "--plot must be another file than those that are read"),
        (["all.csv", "--rows", "0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_use_is_one_sentence(
    arguments: list[str], said: str, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot go together is refused before anything is read, with exit code 2."""
    monkeypatch.chdir(folder)
    code, out, err = run("inspect", "m", *arguments)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())
    assert not (folder / "e.png").exists()
