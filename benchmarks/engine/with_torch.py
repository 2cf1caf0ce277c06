"""PyTorch as a contestant: as its users write it, by hand in place without autograd, and both compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import workloads
from torch.nn import functional


def _given(spec: dict[str, Any]) -> Any:
    """Inputs, targets, w and b as tensors."""
    torch.set_num_threads(spec["threads"])
    inputs, targets = (torch.from_numpy(one) for one in workloads.patterns(spec))
    w, b = ([torch.from_numpy(one.copy()) for one in some] for some in workloads.weights(spec))
    return inputs, targets, w, b


def _epochs(spec: dict[str, Any], step: Any) -> Any:
    """run(n), which calls step with the rows of each batch."""
    batch_size = spec["batch_size"]

    def run(epochs: int) -> None:
        for n in range(epochs):
            for rows in torch.from_numpy(workloads.order(spec, n)).split(batch_size):
                step(rows)

    return run


def _error(spec: dict[str, Any], w: Any, b: Any) -> float:
    return workloads.error(spec, *([one.detach().numpy() for one in some] for some in (w, b)))


def _optimizer(spec: dict[str, Any], parameters: Any) -> Any:
    """PyTorch's own, in its fastest form."""
    if spec["rule"] == "adam":
        return torch.optim.Adam(parameters, lr=spec["learning_rate"], fused=True)
    return torch.optim.SGD(parameters, lr=spec["learning_rate"], fused=True)


def _by_autograd(spec: dict[str, Any], compiled: bool) -> Any:
    inputs, targets, w, b = _given(spec)
    parameters = [one.requires_grad_() for one in (*w, *b)]
    optimizer, n = _optimizer(spec, parameters), spec["batch_size"]

    def error(y: Any, t: Any) -> Any:
        for w_i, b_i in zip(w[:-1], b[:-1], strict=True):
            y = torch.tanh(functional.linear(y, w_i, b_i))
        return 0.5 * ((t - functional.linear(y, w[-1], b[-1])) ** 2).sum() / n

    if compiled:
        error = torch.compile(error, fullgraph=True, dynamic=False)

    def step(rows: Any) -> None:
        optimizer.zero_grad()
        error(inputs.index_select(0, rows), targets.index_select(0, rows)).backward()
        optimizer.step()

    run = _epochs(spec, step)
    run(1)
    return run, _error(spec, w, b)


def eager(spec: dict[str, Any]) -> Any:
    """As its users write it."""
    return _by_autograd(spec, False)


def compiled(spec: dict[str, Any]) -> Any:
    """The same, by torch.compile."""
    return _by_autograd(spec, True)


def in_place(spec: dict[str, Any]) -> Any:
    """The paper's equations in place, into memory that is there already."""
    inputs, targets, w, b = _given(spec)
    L, n, η = len(w), spec["batch_size"], spec["learning_rate"]
    kind = inputs.dtype
    y = [torch.empty(n, nodes, dtype=kind) for nodes in spec["sizes"]]
    e = [torch.empty(n, nodes, dtype=kind) for nodes in spec["sizes"]]
    t, sums = e[L], [torch.empty_like(one) for one in b]
    plain = spec["rule"] == "gradient_descent"
    if not plain:
        for one in (*w, *b):
            one.grad = torch.zeros_like(one)
        optimizer = _optimizer(spec, [*w, *b])

    @torch.no_grad()
    def step(rows: Any) -> None:
        torch.index_select(inputs, 0, rows, out=y[0])
        torch.index_select(targets, 0, rows, out=t)
        for i in range(1, L + 1):
            torch.addmm(b[i - 1], y[i - 1], w[i - 1].t(), out=y[i])
            if i < L:
                y[i].tanh_()
        t.sub_(y[L])
        for i in range(L, 0, -1):
            if i > 1:
                torch.mm(e[i], w[i - 1], out=e[i - 1])
                torch.ops.aten.tanh_backward(e[i - 1], y[i - 1], grad_input=e[i - 1])
            if plain:
                w[i - 1].addmm_(e[i].t(), y[i - 1], alpha=η / n)
                b[i - 1].add_(torch.sum(e[i], 0, out=sums[i - 1]), alpha=η / n)
            else:
                torch.mm(e[i].t(), y[i - 1], out=w[i - 1].grad).mul_(-1 / n)
                torch.sum(e[i], 0, out=b[i - 1].grad).mul_(-1 / n)
        if not plain:
            optimizer.step()

    run = _epochs(spec, step)
    run(1)
    return run, _error(spec, w, b)


def in_place_compiled(spec: dict[str, Any]) -> Any:
    """The paper's equations, the whole step by torch.compile; plain descent alone."""
    inputs, targets, w, b = _given(spec)
    L, n, η = len(w), spec["batch_size"], spec["learning_rate"]

    def step(inputs: Any, targets: Any, w: Any, b: Any, rows: Any) -> None:
        y = [inputs.index_select(0, rows)]
        for i in range(L):
            x = torch.addmm(b[i], y[i], w[i].t())
            y.append(torch.tanh(x) if i < L - 1 else x)
        e = targets.index_select(0, rows) - y[L]
        for i in reversed(range(L)):
            below = (e @ w[i]) * (1 - y[i] * y[i]) if i else e
            w[i].addmm_(e.t(), y[i], alpha=η / n)
            b[i].add_(e.sum(0), alpha=η / n)
            e = below

    whole = torch.compile(step, fullgraph=True, dynamic=False)
    with torch.no_grad():
        run_ = _epochs(spec, lambda rows: whole(inputs, targets, w, b, rows))

    @torch.no_grad()
    def run(epochs: int) -> None:
        run_(epochs)

    run(1)
    return run, _error(spec, w, b)


class _Network(torch.nn.Module):
    """The network as a module."""

    def __init__(self, w: Any, b: Any) -> None:
        super().__init__()
        layers: list[Any] = []
        for w_i, b_i in zip(w, b, strict=True):
            layer = torch.nn.Linear(*w_i.shape[::-1], dtype=w_i.dtype)
            layer.weight.data, layer.bias.data = w_i, b_i
            layers += [layer, torch.nn.Tanh()]
        self.layers = torch.nn.Sequential(*layers[:-1])

    def forward(self, inputs: Any) -> Any:
        """The outputs."""
        return self.layers(inputs)


def _predict(spec: dict[str, Any], prepare: Any) -> Any:
    """From and to NumPy."""
    inputs, _, w, b = _given(spec)
    array = inputs.numpy()
    with torch.no_grad():
        module = prepare(_Network(w, b).eval(), inputs)
    with torch.inference_mode():
        found = module(inputs).numpy()
        for _ in range(5):  # a traced module is optimized in its first calls
            module(inputs)

    @torch.inference_mode()
    def run(calls: int) -> None:
        for _ in range(calls):
            module(torch.from_numpy(array)).numpy()

    return run, float(np.sum(found, dtype=np.float64))


def predict_eager(spec: dict[str, Any]) -> Any:
    """The module as it is."""
    return _predict(spec, lambda module, _: module)


def predict_traced(spec: dict[str, Any]) -> Any:
    """The module traced and frozen."""
    return _predict(spec, lambda module, inputs: torch.jit.freeze(torch.jit.trace(module, inputs)))


def predict_compiled(spec: dict[str, Any]) -> Any:
    """The module by torch.compile."""
    return _predict(spec, lambda module, _: torch.compile(module, fullgraph=True, dynamic=False))
