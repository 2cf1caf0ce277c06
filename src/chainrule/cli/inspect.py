"""`chainrule inspect`: what is in a model, what its network does on a table, and every number of one row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import (
    dialect_options,
    interrupted,
    json_option,
    model_argument,
    model_in,
    one_or_all,
    require_new,
    say_which,
    write_json,
    write_lines,
    write_table,
)

NAMED = 12
"""Nodes, or inputs, that are listed by name."""


@click.command("inspect")
@model_argument
@click.argument("tables", metavar="[TABLE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--row", type=int, help="Row of TABLE, the first is 1: show its x, y, e and gradients.")
@click.option("--rows", default=1000, show_default=True, type=click.IntRange(1), help="Rows of TABLE to look at.")
@click.option("--nodes", default=8, show_default=True, type=click.IntRange(1), help="Nodes to show of each layer.")
@click.option("--plot", type=click.Path(path_type=Path), help="Picture of e per layer to write: .png, .svg or .pdf.")
@dialect_options
@json_option
def command(
    model: Path,
    tables: tuple[Path, ...],
    row: int | None,
    rows: int,
    nodes: int,
    plot: Path | None,
    as_json: bool,
    dialect: Any,
) -> None:
    """Show what is in MODEL, and what it does on a TABLE.

    With a TABLE, what the network does on its first rows: how large x, y and e are in each layer, which nodes are
    saturated or dead, and what is wrong, if anything is. With --row too, every number of back-propagation of that row,
    as the network sees it: net values x_ij, outputs y_ij, error terms e_ij, and the largest derivatives by a weight,
    dE_p/dw_ijk = -e_ij y_i-1,k.
    """
    if row is not None and not tables:
        raise click.UsageError("TABLE and --row must be given together; got --row alone. Pass both, or neither.")
    if plot is not None and (row is not None or not tables):
        raise click.UsageError(
            f"--plot must stand beside a TABLE and without --row, for it shows all rows; got it "
            f"{'with --row' if tables else 'without a TABLE'}. {'Leave out one of them' if tables else 'Name one'}."
        )
    require_new(plot, True, model, *tables, option="--plot")
    if plot is not None:
        from chainrule.plots import require_picture

        require_picture(plot)
    loaded = model_in(model)
    if not as_json:
        say_which(loaded)
    if not tables:
        _of_model(loaded, as_json)
    elif row is None:
        _of_rows(loaded, one_or_all(tables), rows, dialect, plot, as_json)
    else:
        _of_pattern(loaded, one_or_all(tables), row, nodes, dialect, as_json)


# ------------------------------------------------------------------------------------------------------------ the model


def _of_model(model: Any, as_json: bool) -> None:
    net = model.network
    content = {
        "task": model.task,
        "sizes": list(net.sizes),
        "activations": [row.name for row in net.f[1:]],
        "objective": net.objective.name,
        "l1": net.l1,
        "l2": net.l2,
        "dtype": net.dtype.name,
        "parameters": net.n_parameters,
        "inputs": list(model.names),
        "input_nodes": [*_input_names(model)],
        "targets": list(model.target_names),
        "fitted": model.fitted,
        "largest": {block.name: float(abs(net.theta[block.part]).max()) for block in net.blocks},
        "networks": model.count,
        "noise": None if (noise := model.noise) is None else [float(one) for one in noise],
    }
    if as_json:
        write_json(content)
    else:
        _write_model(model, content)


def _write_model(model: Any, content: dict[str, Any]) -> None:
    net = model.network
    write_lines(
        f"{model.task}: {net.objective.name} network {'-'.join(str(nodes) for nodes in net.sizes)}, "
        f"{net.n_parameters:,} parameters, {net.dtype.name}, penalties l1 = {net.l1:g}, l2 = {net.l2:g}"
    )
    for key, value in model.fitted.items():
        shown = (
            ", ".join(k if key == "gaps" else f"{n} {k}" for k, n in value.items())
            if isinstance(value, dict)
            else value
        )
        write_lines(interrupted(model) if key == "interrupted" else f"{key}: {shown}")
    click.echo()
    write_table(
        "layers",
        ("layer", "nodes", "activation", "largest |w|", "largest |b|"),
        [
            (
                str(i),
                str(net.sizes[i]),
                net.f[i].name if i else "input",
                f"{content['largest'][f'w[{i}]']:.3g}" if i else "",
                f"{content['largest'][f'b[{i}]']:.3g}" if f"b[{i}]" in content["largest"] else "",
            )
            for i in range(net.depth + 1)
        ],
    )
    if model.encoding is not None and model.inputs is not None:
        scaled = iter(zip(model.inputs.mean, model.inputs.sd, strict=True))
        rows = []
        for field in model.encoding.fields:
            scales = [next(scaled) for _ in field.inputs]
            kind = f"text, {len(field.levels)} levels" if field.kind == "text" else field.kind
            of_value = tuple(f"{value:.6g}" for value in scales[0]) if field.kind == "number" else ("", "")
            rows.append((field.name, kind, str(len(field.inputs)), *of_value, "allowed" if field.indicator else ""))
        write_table("inputs", ("column", "holds", "nodes", "mean", "deviation", "gaps"), rows)
    if model.targets is not None and model.targets.scaling is not None:
        scaling = model.targets.scaling
        rows = [
            (name, f"{mean:.6g}", f"{sd:.6g}")
            for name, mean, sd in zip(model.target_names, scaling.mean, scaling.sd, strict=True)
        ]
        heads: tuple[str, ...] = ("column", "mean", "deviation")
        if content["noise"] is not None:
            heads = (*heads, "noise")
            rows = [(*row, f"{one:.6g}") for row, one in zip(rows, content["noise"], strict=True)]
        write_table("targets", heads, rows)
    elif model.targets is not None:
        for field, shares in zip(model.targets.fields, model.targets.shares, strict=True):
            rows = [(name, f"{share:.1%}") for name, share in zip(field.levels, shares, strict=True)]
            write_table(f"target {field.name}", ("class", "of the rows trained on"), rows)


# ------------------------------------------------------------------------------------------------------------- the rows


def _of_rows(model: Any, table: Any, rows: int, dialect: Any, plot: Path | None, as_json: bool) -> None:
    from chainrule.inspection import examine_model

    found = examine_model(model, table, rows, dialect)
    if plot is not None:
        from chainrule.plots import error_sizes, save_figure

        save_figure(error_sizes([_number(layer.e) for layer in found.layers[1:]]), plot)
    if as_json:
        write_json(found.to_dict())
        return
    write_table(
        f"{found.patterns:,} row{'' if found.patterns == 1 else 's'}, root mean square of each layer",
        ("layer", "nodes", "activation", "x", "y", "e", "saturated", "dead"),
        [
            (
                str(layer.layer),
                str(layer.nodes),
                layer.activation,
                *("" if value is None else f"{value:.3g}" for value in (layer.x, layer.y, layer.e)),
                *((str(len(layer.saturated)), str(len(layer.dead))) if layer.layer else ("", "")),
            )
            for layer in found.layers
        ],
    )
    largest = [layer.largest for layer in found.layers if layer.largest is not None]
    write_lines(f"largest weights: {', '.join(f'{one.name} = {one.value:.3g}' for one in largest)}")
    for layer in found.layers:
        for what, which in (("saturated", layer.saturated), ("dead", layer.dead)):
            if which:
                write_lines(f"{what} nodes of layer {layer.layer}: {_listed([*map(str, which)])}")
    if found.constant:
        write_lines(f"inputs that do not vary in these rows: {_listed(found.constant)}")
    for sentence in found.advice or ("Nothing wrong was found.",):
        write_lines(sentence)
    if plot is not None:
        write_lines(f"picture in {plot}")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


# -------------------------------------------------------------------------------------------------------------- the row


def _of_pattern(model: Any, table: Any, row: int, nodes: int, dialect: Any, as_json: bool) -> None:
    from chainrule.inspection import largest_gradients

    pattern = model.pattern(model.read(table, dialect), row)
    if as_json:
        write_json(pattern)
        return
    inputs = _input_names(model)
    click.echo(f"row {row}: E_p = {pattern['E_p']:.6g}, as the network sees it (scaled)\n")
    gradients = [[], *largest_gradients(pattern, nodes)]
    last = len(pattern["layers"]) - 1
    for i, layer in enumerate(pattern["layers"]):
        names = inputs if i == 0 else _output_names(model) if i == last else ()
        _write_layer(i, layer, names, nodes)
        if i:
            count = len(pattern["gradients"][i - 1]["w"]) * len(pattern["gradients"][i - 1]["w"][0])
            count += len(pattern["gradients"][i - 1]["b"] or ())
            _write_gradients(i, gradients[i], inputs if i == 1 else (), count)


def _write_layer(i: int, layer: dict[str, Any], names: Sequence[str], nodes: int) -> None:
    columns = [column for column in ("x", "y", "e", "t", "d") if column in layer]
    heads = {"d": "dE_p/dy"}
    shown = range(min(nodes, len(layer["y"])))
    left_out = len(layer["y"]) - len(shown)
    write_table(
        f"layer {i}" + (f", and {left_out:,} more nodes (--nodes)" if left_out else ""),
        ("node", *(heads.get(column, column) for column in columns)),
        [
            (f"{i},{j}" + (f" {names[j]}" if names else ""), *(f"{layer[column][j]:.6g}" for column in columns))
            for j in shown
        ],
    )


def _write_gradients(i: int, gradients: Sequence[dict[str, Any]], inputs: Sequence[str], count: int) -> None:
    """The largest derivatives of a layer, each as the product that it is."""
    which = f"the largest {len(gradients)} of {count:,} derivatives" if len(gradients) < count else "derivatives"
    write_table(
        f"layer {i}, {which} by w_{i}jk: -e_{i}j y_{i - 1},k",
        ("weight", f"e_{i}j", f"y_{i - 1},k", f"dE_p/dw_{i}jk"),
        [
            (
                one["name"] + (f" {inputs[one['from']]}" if inputs and one["from"] is not None else ""),
                *(f"{one[key]:.6g}" for key in ("e", "y", "gradient")),
            )
            for one in gradients
        ],
    )


def _input_names(model: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = () if model.encoding is None else model.encoding.inputs
    return names


def _output_names(model: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = () if model.targets is None else model.targets.outputs
    return names
