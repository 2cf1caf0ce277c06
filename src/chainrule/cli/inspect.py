"""`chainrule inspect`: what is in a model, and every number of one pattern under the paper's subscripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chainrule.cli.output import json_option, model_argument, write_json, write_lines, write_table


@click.command("inspect")
@model_argument
@click.argument("table", required=False, type=click.Path(path_type=Path))
@click.option("--row", type=int, help="Row of TABLE, the first is 1: show its x, y, e and gradients.")
@click.option("--nodes", default=8, show_default=True, type=click.IntRange(1), help="Nodes to show of each layer.")
@json_option
def command(model: Path, table: Path | None, row: int | None, nodes: int, as_json: bool) -> None:
    """Show what MODEL holds, or back-propagation of one row.

    With a TABLE and --row, every number of back-propagation of that row, as the network sees it: net values x_ij,
    outputs y_ij, error terms e_ij, and the derivative of E_p by each input.
    """
    from chainrule.model import load

    if (table is None) != (row is None):
        raise click.UsageError("TABLE and --row must be given together; got one of them. Pass both, or neither.")
    loaded = load(model)
    if table is None or row is None:
        content = _of_model(loaded)
        if as_json:
            write_json(content)
        else:
            _write_model(loaded, content)
        return
    pattern = loaded.pattern(table, row)
    if as_json:
        write_json(pattern)
    else:
        _write_pattern(loaded, pattern, row, nodes)


def _of_model(model: Any) -> dict[str, Any]:
    net = model.network
    return {
        "sizes": list(net.sizes),
        "activations": [row.name for row in net.f[1:]],
        "objective": net.objective.name,
        "l1": net.l1,
        "l2": net.l2,
        "dtype": net.dtype.name,
        "parameters": net.n_parameters,
        "inputs": list(model.names),
        "targets": list(model.target_names),
        "fitted": model.fitted,
        "largest": {block.name: float(abs(net.theta[block.part]).max()) for block in net.blocks},
    }


def _write_model(model: Any, content: dict[str, Any]) -> None:
    net = model.network
    write_lines(
        f"{net.objective.name} network {'-'.join(str(nodes) for nodes in net.sizes)}, {net.n_parameters:,} parameters, "
        f"{net.dtype.name}, penalties l1 = {net.l1:g}, l2 = {net.l2:g}"
    )
    for key, value in model.fitted.items():
        shown = ", ".join(f"{n} {k}" for k, n in value.items()) if isinstance(value, dict) else value
        write_lines(f"{key}: {shown}")
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
    for title, names, scaling in (
        ("inputs", model.names, model.inputs),
        ("targets", model.target_names, model.targets),
    ):
        if scaling is not None:
            rows = [(name, f"{m:.6g}", f"{s:.6g}") for name, m, s in zip(names, scaling.mean, scaling.sd, strict=True)]
            write_table(title, ("column", "mean", "standard deviation"), rows)


def _write_pattern(model: Any, pattern: dict[str, Any], row: int, nodes: int) -> None:
    click.echo(f"row {row}: E_p = {pattern['E_p']:.6g}, as the network sees it (scaled)\n")
    for i, layer in enumerate(pattern["layers"]):
        names = model.names if i == 0 else model.target_names if i == len(pattern["layers"]) - 1 else ()
        columns = [column for column in ("x", "y", "e", "t", "d") if column in layer]
        heads = {"d": "dE_p/dy"}
        shown = range(min(nodes, len(layer["y"])))
        left_out = len(layer["y"]) - len(shown)
        write_table(
            f"layer {i}" + (f", and {left_out} more nodes (--nodes)" if left_out else ""),
            ("node", *(heads.get(column, column) for column in columns)),
            [
                (f"{i},{j}" + (f" {names[j]}" if names else ""), *(f"{layer[column][j]:.6g}" for column in columns))
                for j in shown
            ],
        )
