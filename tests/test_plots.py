"""Pictures show the numbers they are given, leave nothing behind, and a file of one is whole or not there."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from chainrule import Model, Network, check, error_terms, forward, gradient, plots
from chainrule.training.history import History


def data(count: int = 80) -> dict[str, np.ndarray]:
    """Two inputs, a number and classes that depend on them."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, count))
    return {"a": a, "b": b, "price in $ ($)": a * b, "size": a + 0.1 * b, "warm": a > b}


def model_of(*targets: str, **options: Any) -> Model:
    """A quick fit to these targets of the data."""
    table = pa.table({name: values for name, values in data().items() if name in ("a", "b", *targets)})
    given = {"hidden": [4], "l2": 0.01, "epochs": 5, "rule": "lbfgs", "progress": False} | options
    return Model.fit(table, list(targets), **given)


@pytest.fixture(scope="module")
def regression() -> Model:
    """Of two targets, one with a name that TeX would choke on."""
    return model_of("price in $ ($)", "size")


def texts(figure: Any) -> str:
    """Every word in a figure, line by line."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


def lines(axes: Any) -> dict[str, Any]:
    """The lines of axes by their labels."""
    return {line.get_label(): line for line in axes.get_lines()}


# ------------------------------------------------------------------------------------------------------- what they show


def test_epochs_show_the_run_and_the_epoch_that_was_kept() -> None:
    """Running and validation E are drawn as they are, from epoch 1, and the kept epoch is marked at its E."""
    history = History(rule="adam", running=[0.5, 0.4, 0.3], validation=[0.6, 0.45, 0.5], best_epoch=2)
    [axes] = plots.epochs(history).axes
    drawn = lines(axes)
    np.testing.assert_array_equal(
        drawn["running E of the training patterns"].get_xydata(), [[1, 0.5], [2, 0.4], [3, 0.3]]
    )
    np.testing.assert_array_equal(drawn["E of the validation patterns"].get_ydata(), [0.6, 0.45, 0.5])
    assert any(line.get_xydata().tolist() == [[2, 0.45]] for line in axes.get_lines())
    assert "kept: epoch 2" in texts(axes.figure)
    assert axes.get_title("left") == "E per epoch: adam, 3 epochs"
    history.best_epoch = 0
    assert "kept: the start" in texts(history.plot())
    assert "kept" not in texts(plots.epochs(History(rule="lbfgs", running=[0.5, 0.4], best_epoch=2)))


@pytest.mark.parametrize(
    ("running", "scale"),
    [([1.0, 0.009], "log"), ([1.0, 0.011], "linear"), ([1.0, -1e-9], "linear"), ([], "linear"), ([0.5], "linear")],
)
def test_E_is_on_a_logarithmic_axis_beyond_two_decades(running: list[float], scale: str) -> None:
    """Above a ratio of 100 the axis is logarithmic, if all E are above 0."""
    assert plots.epochs(History(running=running)).axes[0].get_yscale() == scale


def test_a_run_that_diverged_is_drawn_as_far_as_it_went() -> None:
    """What is not finite, or larger than anything that can be drawn, is left out."""
    history = History(running=[0.5, 0.4, np.inf, np.nan, 1e300], validation=[0.5, np.nan], best_epoch=2)
    figure = plots.epochs(history)
    figure.draw_without_rendering()
    running = lines(figure.axes[0])["running E of the training patterns"].get_ydata()
    np.testing.assert_array_equal(running, [0.5, 0.4, np.nan, np.nan, np.nan])


def test_predictions_show_truth_prediction_and_what_is_left() -> None:
    """A point a row that knows its target; on the right t - y, the paper's order, over the prediction."""
    t, y = np.array([1.0, 2.0, np.nan, 4.0]), np.array([1.5, 2.0, 3.0, np.inf])
    left, right = plots.predictions(t, y, "price").axes
    np.testing.assert_array_equal(left.collections[0].get_offsets(), [[1, 1.5], [2, 2]])
    np.testing.assert_array_equal(right.collections[0].get_offsets(), [[1.5, -0.5], [2, 0]])
    assert left.get_xlim() == left.get_ylim()
    assert (left.get_xlabel(), left.get_ylabel()) == ("price, truth", "price, predicted")
    assert left.get_title("left") == "price: 2 rows"


def test_many_predictions_are_counted_in_places() -> None:
    """Above 3,000 rows the colour says how many lie in a place, and none is lost."""
    t = np.random.default_rng(0).normal(size=plots.MOST_POINTS + 1)
    left, _ = plots.predictions(t, t**3).axes
    assert left.collections[0].get_array().sum() == t.size


@pytest.mark.parametrize("size", [1e307, 1e-310, 0.0])
def test_predictions_of_any_size_are_drawn(size: float) -> None:
    """Numbers at the ends of float64 are drawn without overflow, divided by their largest, which is said."""
    t = np.array([-1.0, 0.3, 1.0]) * size
    figure = plots.predictions(t, t * 1.01)
    assert f"in {1.01 * size:.3g}" in texts(figure) or not size
    assert "y, truth" in texts(plots.predictions([np.nan], [1.0]))


def test_confusion_shows_counts_and_shares() -> None:
    """Counts as text, shares of the rows of a true class as colour and text; the truth goes down."""
    figure = plots.confusion([[6, 2], [0, 5]], ["no", "yes"], "sold")
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(image, [[0.75, 0.25], [0, 1]])
    assert {"6\n75 %", "2\n25 %", "0\n0 %", "5\n100 %"} <= {text.get_text() for text in figure.axes[0].texts}
    assert figure.axes[0].get_ylabel() == "sold, truth"
    assert "sold: 13 rows" in texts(figure)


@pytest.mark.parametrize("classes", [2, 10, 30, 31])
def test_confusion_is_readable(classes: int) -> None:
    """Neither counts nor labels of up to 30 classes run into one another; of more, some are labelled."""
    matrix = np.full((classes, classes), 8) + np.eye(classes, dtype=int) * 900
    figure = plots.confusion(matrix, [f"class {n}" for n in range(classes)])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    cell = axes.get_window_extent().width / classes
    assert len(axes.texts) == (classes**2 if classes <= 30 else 0)
    assert all(text.get_window_extent().width < cell for text in axes.texts[:: classes + 1])
    labels = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(below.y1 <= above.y0 for above, below in itertools.pairwise(labels))
    labels = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(labels))


def test_sizes_of_e_are_on_a_logarithmic_axis() -> None:
    """A point a layer; what a logarithm cannot show is written at the bottom."""
    [axes] = plots.error_sizes([0.0, 1e-3, 0.5]).axes
    assert axes.get_yscale() == "log"
    np.testing.assert_array_equal(axes.get_lines()[0].get_xydata(), [[2, 1e-3], [3, 0.5]])
    assert [text.get_text() for text in axes.texts] == ["0", "0.001", "0.5"]


def test_a_certificate_names_its_worst_entry() -> None:
    """Each block stands at its relative error, a wrong one as a cross, the bound as a line, the worst by name."""
    random = np.random.default_rng(0)
    net = Network([3, 4, 2], seed=0)

    def wrong(net: Network, inputs: Any, t: Any, s: Any, total: Any) -> Any:
        trace = forward(net, inputs)
        g = gradient(net, trace, error_terms(net, trace, t), s, total)
        g.w[2][1, 3] *= 1.01
        return g

    inputs, t = random.normal(size=(6, 3)), random.normal(size=(6, 2))
    for cert in (check(net, inputs, t), check(net, inputs, t, gradient=wrong)):
        [axes] = cert.plot().axes
        good, _, bad = (marks.get_offsets() for marks in axes.collections[-3:])
        errors = [block.relative_error for block in cert.blocks if block.ok]
        np.testing.assert_allclose(good[:, 0], np.maximum(errors, 1e-17))
        assert len(bad) == (not cert.ok)
        assert axes.get_lines()[0].get_xdata()[0] == cert.tolerance
        said = texts(axes.figure)
        assert f"worst: {cert.worst.name}, {cert.relative_error:.0e}" in said
        assert f"Gradient certificate: {'ok' if cert.ok else 'NOT OK'}" in said
    assert "w[2][1,3]" in said


# ------------------------------------------------------------------------------------------------- whose figure it is


def test_axes_of_ones_own_are_drawn_on() -> None:
    """What is given is drawn on, and its figure returned."""
    figure = Figure()
    axes = figure.subplots(1, 2)
    history = History(running=[1.0, 0.5])
    assert history.plot(axes[0]) is figure
    assert plots.error_sizes([0.1], axes[1]) is figure
    assert plots.predictions([1.0], [2.0], "t", axes) is figure
    assert plots.confusion([[1]], ["a"], ax=axes[0]) is figure
    assert "E per epoch" not in axes[1].get_title("left")


def test_nothing_is_left_behind() -> None:
    """Drawing and writing load no pyplot, open no window, and leave Matplotlib's settings as they were."""
    code = """
import sys, matplotlib, tempfile
from pathlib import Path
before = matplotlib.rcParams.copy()  # dict() would look for a window, and load pyplot for that
from chainrule import plots
with tempfile.TemporaryDirectory() as folder:
    plots.save_figure(plots.error_sizes([0.1, 0.2]), Path(folder) / "e.png")
assert matplotlib.rcParams.copy() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


# -------------------------------------------------------------------------------------------------------------- reports


def test_a_report_shows_each_target(regression: Model, tmp_path: Path) -> None:
    """E per epoch, and for each target predictions and what is left, with its score; names are taken literally."""
    figure = plots.report(regression)
    assert len(figure.axes) == 5
    said = texts(figure)
    assert r"price in \$ (\$), truth" in said
    assert "size: 16 rows, held out" in said
    score = regression.report.scores["size"]["network"]
    assert f"R² = {score.r2:.3f}, RMSE = {score.rmse:.4g}" in said
    points = figure.axes[3].collections[0].get_offsets()
    np.testing.assert_array_equal(
        points, np.column_stack([regression.report.truth[:, 1], regression.report.said[:, 1]])
    )


def test_a_report_of_classes_shows_their_confusion() -> None:
    """E per epoch, and the confusion that the report holds."""
    model = model_of("warm", cv=2)
    said = texts(plots.report(model))
    assert "warm: 80 rows, 2-fold cross-validation, accuracy" in said
    for count in np.ravel(model.report.scores["warm"]["network"].confusion):
        assert f"{count}\n" in said


def test_a_report_of_nothing_judged_shows_the_run_alone(tmp_path: Path) -> None:
    """Without held-out rows there are the epochs; a model that was loaded has not even these, and says so."""
    model = model_of("size", held_out=0)
    assert len(plots.report(model).axes) == 1
    model.report = None
    with pytest.raises(ValueError, match=r"^model must have the report of its fit; got one without\."):
        plots.save_report(model, tmp_path / "x.png")


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_a_file_is_the_same_every_time(suffix: str, start: bytes, tmp_path: Path) -> None:
    """The format is that of the suffix; two figures of the same numbers are the same bytes, without date or version."""
    for name in ("one", "two"):
        plots.save_figure(plots.error_sizes([0.1, 0.2]), tmp_path / f"{name}{suffix}")
    one, two = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two"))
    assert one.startswith(start)
    assert one == two
    assert not any(word in one for word in (b"Matplotlib", b"matplotlib.org", b"CreationDate", b"<dc:date>"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"one{suffix}", f"two{suffix}"]


def test_a_report_is_written_whole(regression: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is the report; where writing fails the old file stands, nothing else does, and it is said."""
    (tmp_path / "x.svg").write_text("old")

    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(plots.os, "fsync", full)
        with pytest.raises(OSError, match=r"cannot be written: No space left on device\. Nothing was changed\."):
            plots.save_figure(plots.error_sizes([1.0]), tmp_path / "x.svg")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    with pytest.raises(OSError, match=r"cannot be written: No such file or directory\."):
        plots.save_figure(plots.error_sizes([1.0]), tmp_path / "missing" / "x.svg")
    plots.save_report(regression, tmp_path / "x.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["x.svg"]
    assert "price in $ ($), truth" in (tmp_path / "x.svg").read_text(encoding="utf-8")


def test_letters_that_the_font_lacks_are_no_warning(tmp_path: Path) -> None:
    """A name in letters that the font does not have is drawn as boxes, in silence; one of control codes as dots."""
    figure = plots.confusion([[1, 0], [0, 1]], ["日本", "\x1b[2J\n"], "日")
    plots.save_figure(figure, tmp_path / "x.png")
    assert "·[2J·" in texts_of_ticks(figure)


def texts_of_ticks(figure: Any) -> list[str]:
    """Labels of the classes."""
    return [label.get_text() for label in figure.axes[0].get_xticklabels()]


# --------------------------------------------------------------------------------------------------------- wrong use


@pytest.mark.parametrize("path", ["x.gif", "x", "x.png.txt"])
def test_another_format_is_refused(path: str) -> None:
    """Before anything is drawn, in one sentence."""
    with pytest.raises(ValueError, match=r"^a picture must end in \.png, \.svg or \.pdf; got 'x.*'\. Rename it\.$"):
        plots.save_report(SimpleNamespace(), path)


def test_a_missing_matplotlib_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed, the sentence says how to get it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (lambda: plots.require_picture("x.png"), lambda: plots.error_sizes([1.0])):
        with pytest.raises(ImportError, match=r"Run pip install 'chainrule\[plot\]'\.$"):
            draw()


def test_shapes_that_do_not_fit_are_refused() -> None:
    """Each picture says what it must be given."""
    with pytest.raises(ValueError, match=r"^truth and said must be of one target"):
        plots.predictions(np.ones((3, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"^matrix must have a row and a column for each of 3 classes"):
        plots.confusion(np.ones((2, 2)), ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"^sizes must be one number a layer"):
        plots.error_sizes([])


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_what_bootstrap_installs_draws(python: str) -> None:
    """The fixed versions to use Chainrule with have matplotlib among them, and are those that are tested, by hash."""
    root = Path(__file__).parent.parent / "requirements"
    run, test = (
        dict(
            re.findall(
                r"^([\w.-]+==\S+) ((?:\\\n +--hash=\S+ ?)+)", (root / f"{what}-{python}.txt").read_text(), re.MULTILINE
            )
        )
        for what in ("run", "test")
    )
    assert {"matplotlib", "pillow", "python-dateutil", "tzdata"} <= {pin.partition("==")[0] for pin in run}
    assert run.items() <= test.items()
