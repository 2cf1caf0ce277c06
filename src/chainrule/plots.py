"""Pictures of a run, of predictions and of a certificate, as figures of Matplotlib that nobody else sees.

Stands beside the derivation: it is given numbers and draws them. A figure is made without pyplot, so that nothing stays
open, no window is needed and no setting of the user's is changed. Its letters: E, and e of a layer; t and y.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.notation import Array, FloatArray
from chainrule.writing import write_whole

SUFFIXES = (".png", ".svg", ".pdf")
"""What a picture's file may end in, which says its format."""

MOST_POINTS = 3_000
"""Points that are drawn one by one; of more, how many lie in a place is shown by its colour."""

MOST_LABELLED = 30
"""Classes, or blocks of a certificate, up to which each is labelled."""

MOST_TARGETS = 4
"""Targets that a report shows."""

HUGE = 1e100
"""What is larger is not drawn, or drawn divided by the largest, for margins and logarithms of it would overflow."""

BLUE, RED, GREY, DARK = "#0072B2", "#D55E00", "#8A8A8A", "#222222"
"""Of the palette of Okabe and Ito, which tells colours apart that look alike to many eyes, and two greys."""

SHADES = "Blues"
"""From nothing to all."""

STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.facecolor": "white",
    "axes.formatter.use_mathtext": True,
    "axes.grid": True,
    "axes.labelcolor": DARK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": DARK,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.09,
    "figure.constrained_layout.w_pad": 0.09,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "path.simplify": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "chainrule",
    "text.color": DARK,
    "text.usetex": False,
    "xtick.color": GREY,
    "xtick.labelcolor": DARK,
    "xtick.labelsize": 9,
    "ytick.color": GREY,
    "ytick.labelcolor": DARK,
    "ytick.labelsize": 9,
}
"""Of figures that are made here; on axes of the user's own, the user's style is kept."""


def require_picture(path: str | os.PathLike[str]) -> None:
    """Refuse a file of another format, and any where Matplotlib is missing, before there is something to draw.

    Raises
    ------
    ValueError
        If the file does not end in .png, .svg or .pdf.
    ImportError
        If Matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise ValueError(f"a picture must end in .png, .svg or .pdf; got {os.fspath(path)!r:.200}. Rename it.")
    _matplotlib()


def epochs(history: Any, ax: Any = None) -> Any:
    """Draw E per epoch, running and of the validation patterns, and the epoch whose weights were kept.

    Parameters
    ----------
    history : History
    ax : Axes of Matplotlib, optional
        Where to draw; by default a new figure.

    Returns
    -------
    Figure
        E is on a logarithmic axis where it spans more than two decades.
    """
    with _drawing(ax, (10, 4.5)) as (figure, axes):
        shown = []
        for name, values, colour in (
            ("running E of the training patterns", history.running, BLUE),
            ("E of the validation patterns", history.validation, RED),
        ):
            E = np.array(values, dtype=np.float64)
            E[~(np.abs(E) < HUGE)] = np.nan  # of a run that diverged
            if np.isfinite(E).any():
                axes.plot(np.arange(1, len(E) + 1), E, color=colour, label=name, **_line(len(E)))
                shown.append(E)
        every = np.concatenate(shown) if shown else np.ones(1)
        low, high = np.nanmin(every), np.nanmax(every)
        if low > 0 and high > 100 * low:
            axes.set_yscale("log")
        count = f"{history.epochs:,} epoch{'' if history.epochs == 1 else 's'}"
        axes.set(
            xlabel="epoch", ylabel="E", title=f"E per epoch: {', '.join(filter(None, (_plain(history.rule), count)))}"
        )
        axes.set_xlim(0, 1.02 * max(history.epochs, 1))
        axes.xaxis.get_major_locator().set_params(integer=True)
        if history.validation and shown:
            _mark_kept(axes, history, shown[-1])
        if shown:
            axes.legend(loc="best")
        return figure


def _mark_kept(axes: Any, history: Any, E: FloatArray) -> None:
    kept = history.best_epoch
    axes.axvline(kept, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    if kept:
        axes.plot(kept, E[kept - 1], "o", color=RED, markersize=6, markeredgecolor="white", zorder=3)
    left = kept > history.epochs / 2
    seen = kept > 0 and bool(np.isfinite(E[kept - 1]))
    axes.annotate(
        f"kept: epoch {kept:,}" if kept else "kept: the start",
        (kept, E[kept - 1] if seen else 0.5),
        xycoords="data" if seen else ("data", "axes fraction"),
        xytext=(-6 if left else 6, 9),
        textcoords="offset points",
        ha="right" if left else "left",
        fontsize=9,
        bbox={"boxstyle": "square,pad=0.15", "facecolor": axes.get_facecolor(), "edgecolor": "none"},
    )


def predictions(truth: Array, said: Array, name: str = "y", ax: Any = None) -> Any:
    """Draw predictions of one target against the truth, and what is left of it beside them.

    Parameters
    ----------
    truth, said : array of shape (rows,)
        In the target's units. Rows that do not know it, or whose prediction is not finite, are left out.
    name : str
        Of the target.
    ax : two Axes of Matplotlib, optional
        Where to draw; by default a new figure.

    Returns
    -------
    Figure
    """
    t, y = np.asarray(truth, dtype=np.float64), np.asarray(said, dtype=np.float64)
    if t.ndim != 1 or t.shape != y.shape:
        raise ValueError(
            f"truth and said must be of one target, as long as one another; got {t.shape} and {y.shape}. Pass a "
            "column of each."
        )
    with np.errstate(over="ignore"):
        known = np.isfinite(t) & np.isfinite(y) & np.isfinite(2 * (np.abs(t) + np.abs(y)))
    t, y, target = t[known], y[known], _plain(name)
    with _drawing(ax, (10, 4.5), columns=2) as (figure, (left, right)):
        largest = float(max(np.abs(t).max(initial=0), np.abs(y).max(initial=0)))
        scale = 1.0 if not largest or 1 / HUGE < largest < HUGE else largest
        of_scale = "" if scale == 1 else f", in {scale:.3g}"
        _points(left, t / scale, y / scale)
        _points(right, y / scale, t / scale - y / scale)
        if t.size:
            ends = np.array([min(t.min(), y.min()), max(t.max(), y.max())]) / scale
            margin = 0.04 * (ends[1] - ends[0]) or 0.04 * abs(ends[0]) or 1.0
            ends = ends + np.array([-margin, margin])
            left.plot(ends, ends, color=RED, linewidth=1.2, zorder=3, label="prediction = truth")
            left.set(xlim=ends, ylim=ends)
            left.legend(loc="upper left")
        right.axhline(0, color=RED, linewidth=1.2, zorder=3)
        left.set(xlabel=f"{target}{of_scale}, truth", ylabel=f"{target}{of_scale}, predicted")
        left.set_title(f"{target}: {t.size:,} rows")
        right.set(xlabel=f"{target}{of_scale}, predicted", ylabel="truth − prediction")
        right.set_title("what is left")
        return figure


def _points(axes: Any, x: FloatArray, y: FloatArray) -> None:
    """A point for each pair, or how many there are in each place."""
    if x.size <= MOST_POINTS:
        axes.scatter(x, y, s=16, color=BLUE, alpha=float(np.clip(200 / max(x.size, 1), 0.25, 0.8)), linewidths=0)
    else:
        from matplotlib.colors import LinearSegmentedColormap

        shades = LinearSegmentedColormap.from_list("few to many", ["#A8CCE6", BLUE, "#062F4F"])
        axes.hexbin(x, y, gridsize=60, bins="log", mincnt=1, cmap=shades, linewidths=0.1, zorder=2)


def confusion(matrix: Any, levels: Sequence[str], name: str = "", ax: Any = None) -> Any:
    """Draw how many rows of each class were taken for each: counts, and shares of the rows of a class by colour.

    Parameters
    ----------
    matrix : array of shape (classes, classes)
        Rows of each true class (down) by predicted class (across).
    levels : sequence of str
        The classes.
    name : str
        Of the target.
    ax : Axes of Matplotlib, optional
        Where to draw; by default a new figure.

    Returns
    -------
    Figure
    """
    counts = np.asarray(matrix, dtype=np.float64)
    classes = len(levels)
    if counts.shape != (classes, classes) or not classes:
        raise ValueError(
            f"matrix must have a row and a column for each of {classes} classes; got shape {counts.shape}. Pass "
            "confusion of the scores, and the classes in its order."
        )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = _side(classes)
    shown = np.arange(classes) if classes <= MOST_LABELLED else np.linspace(0, classes - 1, 21).astype(int)
    labels = [_plain(levels[n], 24 if classes <= 10 else 16) for n in shown.tolist()]
    longest = max(map(len, labels))
    upright = longest * len(labels) > 60
    margin = 0.5 + 0.09 * longest
    with _drawing(ax, (side + 1.2 + margin, side + (margin if upright else 0.8))) as (figure, axes):
        image = axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1, aspect="auto" if ax is not None else "equal")
        cell, digits = 72 * side / classes, len(f"{counts.max():,.0f}")
        size = float(np.clip(1.5 * cell / max(digits, 4), 5.5, 11))
        for j, k in np.argwhere(counts > 0 if classes > 4 else counts >= 0) if classes <= MOST_LABELLED else ():
            share = f"\n{100 * shares[j, k]:.0f} %" if classes <= 10 else ""
            colour = "white" if shares[j, k] > 0.55 else DARK
            text = f"{counts[j, k]:,.0f}{share}"
            axes.text(k, j, text, ha="center", va="center", color=colour, fontsize=size, linespacing=1.3)
        small = 9 if classes <= 16 else 8
        axes.set_xticks(shown, labels, rotation=90 if upright else 0, fontsize=small)
        axes.set_yticks(shown, labels, fontsize=small)
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        edges = np.arange(1, classes) - 0.5
        axes.hlines(edges, -0.5, classes - 0.5, color="white", linewidth=1)
        axes.vlines(edges, -0.5, classes - 0.5, color="white", linewidth=1)
        target = f"{_plain(name)}, " if name else ""
        axes.set(xlabel=f"{target}predicted", ylabel=f"{target}truth")
        axes.set_title(f"{_plain(name) or 'classes'}: {counts.sum():,.0f} rows")
        bar = figure.colorbar(image, ax=axes, shrink=0.9, aspect=30, pad=0.02)
        bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0 %", "25 %", "50 %", "75 %", "100 %"])
        bar.set_label("share of the rows of a class")
        bar.outline.set_visible(False)
        return figure


def _side(classes: int) -> float:
    """Inches that the cells of so many classes need, at least."""
    return float(np.clip(0.7 * classes, 4, 9))


def error_sizes(sizes: Sequence[float], ax: Any = None) -> Any:
    """Draw how large the error terms are in each layer, on a logarithmic axis.

    Parameters
    ----------
    sizes : sequence of float
        Root mean square of e of the layers 1 to L.
    ax : Axes of Matplotlib, optional
        Where to draw; by default a new figure.

    Returns
    -------
    Figure
    """
    e = np.asarray(sizes, dtype=np.float64)
    if e.ndim != 1 or not e.size:
        raise ValueError(f"sizes must be one number a layer; got shape {e.shape}. Pass those of layers 1 to L.")
    layers = np.arange(1, e.size + 1)
    drawn = np.isfinite(e) & (e > 0)
    with _drawing(ax, (8, 4)) as (figure, axes):
        axes.set_yscale("log")
        axes.plot(layers[drawn], e[drawn], color=BLUE, **_line(2))
        if drawn.any():
            low, high = e[drawn].min(), e[drawn].max()
            decades = float(np.log10(high) - np.log10(low))
            room = 10 ** max(0.12 * decades, (1.6 - decades) / 2)
            axes.set_ylim(low / room, high * room)
        for i, size, there in zip(layers, e, drawn, strict=True):
            if e.size <= MOST_LABELLED or not there:
                at = (i, size if there else 0)
                axes.annotate(
                    f"{size:.2g}",
                    at,
                    xycoords="data" if there else ("data", "axes fraction"),
                    xytext=(0, 8),
                    textcoords="offset points",
                    ha="center",
                    fontsize=9,
                    color=DARK if there else RED,
                )
        axes.set_xlim(0.5, e.size + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.set(xlabel="layer", ylabel="root mean square of e", title="Error terms, layer by layer")
        return figure


def certificate(cert: Any, ax: Any = None) -> Any:
    """Draw the relative error of each block against what passes, on a logarithmic axis, and name the worst entry.

    Parameters
    ----------
    cert : Certificate
    ax : Axes of Matplotlib, optional
        Where to draw; by default a new figure.

    Returns
    -------
    Figure
        A block that is right but for the rounding of derivatives near 0 is a ring, a wrong one is a red cross. What
        agrees to the last digit stands at 1e-17.
    """
    blocks = cert.blocks
    errors = np.clip(np.nan_to_num([block.relative_error for block in blocks], nan=1e3), 1e-17, 1e3)
    at = np.arange(len(blocks))
    wrong = np.array([not block.ok for block in blocks])
    lost = ~wrong & (errors > cert.tolerance)
    with _drawing(ax, (8, float(np.clip(1.6 + 0.28 * len(blocks), 2.8, 9)))) as (figure, axes):
        axes.set_xscale("log")
        axes.axvline(cert.tolerance, color=RED, linewidth=1.2)
        axes.annotate(
            f"passes up to {cert.tolerance:.0e}", (cert.tolerance, 1), xycoords=("data", "axes fraction"),
            xytext=(-5, -11), textcoords="offset points", ha="right", fontsize=9, color=RED,
        )  # fmt: skip
        axes.hlines(at, 1e-18, errors, color="#CFCFCF", linewidth=1, zorder=1)
        for which, marker, style in (
            (~wrong & ~lost, "o", {"color": BLUE}),
            (lost, "o", {"color": "white", "edgecolors": BLUE}),
            (wrong, "X", {"color": RED}),
        ):
            axes.scatter(errors[which], at[which], marker=marker, s=44, zorder=3, **style)
        worst = next((n for n, block in enumerate(blocks) if block.worst == cert.worst), 0)
        right = errors[worst] > 1e-9
        axes.annotate(
            f"worst: {cert.worst.name}, {cert.relative_error:.0e}",
            (errors[worst], worst),
            xytext=(-8 if right else 8, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            fontsize=9,
            bbox={"boxstyle": "square,pad=0.15", "facecolor": axes.get_facecolor(), "edgecolor": "none"},
        )
        shown = at if len(at) <= MOST_LABELLED else np.unique(np.linspace(0, len(at) - 1, MOST_LABELLED).astype(int))
        axes.set_yticks(shown, [_plain(blocks[n].name) for n in shown])
        axes.set_ylim(len(blocks) - 0.4, -1.1)
        axes.set_xlim(3e-18, max(10 * cert.tolerance, 10 * errors.max(initial=0)))
        axes.grid(visible=False, axis="y")
        axes.set(xlabel=f"relative error against the {cert.oracle}", ylabel="block")
        axes.set_title(f"Gradient certificate: {'ok' if cert.ok else 'NOT OK'}")
        return figure


def report(model: Any) -> Any:
    """Draw a fit in one picture: E per epoch, and what was said of the rows that it was judged on.

    Parameters
    ----------
    model : Model
        With the report of its fit, which a model that was loaded has not.

    Returns
    -------
    Figure
        Predictions and what is left, or the confusion of classes, of at most :data:`MOST_TARGETS` targets.
    """
    found = model.report
    if found is None:
        raise ValueError("model must have the report of its fit; got one without. Draw it before it is saved.")
    judged = model.targets.fields[:MOST_TARGETS] if found.scores else ()
    classes = model.task == "classification"
    widest = max((len(field.levels) for field in judged), default=0) if classes else 0
    wide = not classes or widest > 12  # one target a row
    heights = [3.4] + [(_side(widest) + 1.2 if classes else 4.2)] * (len(judged) if wide else (len(judged) + 1) // 2)
    with _drawing(None, (10, sum(heights) + 0.3), columns=0) as (figure, _):
        grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
        epochs(found.history, figure.add_subplot(grid[0, :]))
        for j, field in enumerate(judged):
            score = found.scores[field.name]["network"]
            how = f"{len(found.folds)}-fold cross-validation" if found.folds else "held out"
            title = f"{_plain(field.name)}: {score.rows:,} rows, {how}"
            if classes:
                where = grid[1 + j, :] if wide else grid[1 + j // 2, j % 2 if len(judged) > 1 else slice(None)]
                axes = figure.add_subplot(where)
                confusion(score.confusion, field.levels, field.name, axes)
                axes.set_title(f"{title}, accuracy {score.accuracy:.3f}")
            else:
                pair = [figure.add_subplot(grid[1 + j, column]) for column in (0, 1)]
                predictions(found.truth[:, j], found.said[:, j], field.name, pair)
                pair[0].set_title(title)
                pair[1].set_title(f"R² = {score.r2:.3f}, RMSE = {score.rmse:.4g}")
        return figure


def save_report(model: Any, path: str | os.PathLike[str]) -> None:
    """Write the picture of :func:`report` to a file, whole or not at all.

    Parameters
    ----------
    model : Model
        With the report of its fit.
    path : path
        Ends in .png, .svg or .pdf. The same model gives the same file.

    Raises
    ------
    ValueError
        If the file has another ending, or the model no report.
    ImportError
        If Matplotlib is not installed.
    OSError
        If the file cannot be written; what stood there before is untouched.
    """
    require_picture(path)
    save_figure(report(model), path)


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure as :func:`save_report` does."""
    require_picture(path)
    kind = Path(path).suffix.lower()[1:]
    nothing = {"png": ("Software",), "svg": ("Creator", "Date"), "pdf": ("Creator", "Producer", "CreationDate")}[kind]
    drawn = io.BytesIO()
    with _styled():
        figure.savefig(drawn, format=kind, dpi=150, metadata=dict.fromkeys(nothing))
    write_whole(path, [drawn.getvalue()])


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise ImportError(
            "Matplotlib must be installed to draw; got none. Run pip install 'chainrule[plot]'."
        ) from None
    return matplotlib


@contextlib.contextmanager
def _styled() -> Iterator[None]:
    """Matplotlib with our style, and without its word on letters that its font does not have."""
    with _matplotlib().rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


@contextlib.contextmanager
def _drawing(ax: Any, inches: tuple[float, float], columns: int = 1) -> Iterator[tuple[Any, Any]]:
    """A figure and the axes to draw on: given ones as they are, or so many new ones in our style."""
    if ax is not None:
        yield (ax if columns == 1 else ax[0]).figure, ax
        return
    with _styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=inches, layout="constrained")
        yield figure, figure.subplots(1, columns) if columns else None


def _line(points: int) -> dict[str, Any]:
    """A line through many points; each is marked where they are few."""
    return {"linewidth": 1.6, "marker": "o" if points <= 40 else "", "markersize": 4}


def _plain(text: object, limit: int = 40) -> str:
    """A name as it is, in one line and not too long; a dollar in it begins no formula."""
    shown = "".join(character if character.isprintable() else "·" for character in str(text))
    if len(shown) > limit:
        shown = f"{shown[: limit - limit // 3 - 1]}…{shown[-(limit // 3) :]}"
    return shown.replace("$", r"\$")
