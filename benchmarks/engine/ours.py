"""Chainrule as a contestant: its engine for the processor, the door `train`, and the page itself on NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import workloads

from chainrule import Network, train
from chainrule.engines import load, reference, source
from chainrule.engines.cpu import Predictor, predict
from chainrule.training.descent import rule


def network(spec: dict[str, Any]) -> Network:
    """The network of a task, with the weights that everyone starts from."""
    sizes = spec["sizes"]
    net = Network(sizes, ["tanh"] * (len(sizes) - 2) + ["identity"], dtype=spec["dtype"])
    for i, (w, b) in enumerate(zip(*workloads.weights(spec), strict=True), 1):
        net.w[i], net.b[i] = w, b
    return net


def _by(engine: Any, spec: dict[str, Any]) -> Any:
    net, (inputs, targets) = network(spec), workloads.patterns(spec)
    given = source(net, inputs, targets, None, spec["batch_size"])
    state = engine.prepare(net, given, rule(spec["rule"]))
    rates = np.full(spec["patterns"] // spec["batch_size"], spec["learning_rate"])

    def run(epochs: int) -> None:
        for n in range(epochs):
            engine.epoch(state, given, workloads.order(spec, n), rates)

    run(1)
    trained = engine.network(state)
    return run, workloads.error(spec, trained.w[1:], trained.b[1:])


def engine(spec: dict[str, Any]) -> Any:
    """The engine for the processor, epoch by epoch."""
    return _by(load("cpu"), spec)


def page(spec: dict[str, Any]) -> Any:
    """The page, on NumPy: what everyone else's weights are compared with."""
    return _by(reference, spec)


def by_train(spec: dict[str, Any]) -> Any:
    """The door that users take."""
    net, (inputs, targets) = network(spec), workloads.patterns(spec)

    def run(epochs: int) -> None:
        train(
            net,
            inputs,
            targets,
            spec["rule"],
            spec["learning_rate"],
            epochs,
            spec["batch_size"],
            engine="cpu",
            progress=False,
            warn=False,
        )

    run(1)
    return run, None


def predictor(spec: dict[str, Any]) -> Any:
    """One pattern, or a batch, by the engine's predictor."""
    predict = Predictor(network(spec))
    inputs, _ = workloads.patterns(spec)
    inputs = inputs[0] if len(inputs) == 1 else inputs

    def run(calls: int) -> None:
        for _ in range(calls):
            predict(inputs)

    return run, float(np.sum(predict(inputs), dtype=np.float64))


def by_hand(spec: dict[str, Any]) -> Any:
    """The outputs in three lines of NumPy."""
    w, b = workloads.weights(spec)
    inputs, _ = workloads.patterns(spec)
    *hidden, last = [(np.ascontiguousarray(w_i.T), b_i) for w_i, b_i in zip(w, b, strict=True)]

    def predict() -> Any:
        y = inputs
        for w_i, b_i in hidden:
            y = np.tanh(y @ w_i + b_i)
        return y @ last[0] + last[1]

    def run(calls: int) -> None:
        for _ in range(calls):
            predict()

    return run, float(np.sum(predict(), dtype=np.float64))


def _start(spec: dict[str, Any], seed: int) -> Network:
    """Weights and biases distributed as scikit-learn's are, so that speed alone is compared."""
    hidden = ["relu"] * (len(spec["sizes"]) - 2)
    last, goal = ("softmax", "cross_entropy") if spec["classes"] else ("identity", "sse")
    net = Network(spec["sizes"], [*hidden, last], goal, dtype=spec["dtype"])
    random = np.random.default_rng(seed)
    for i in range(1, net.depth + 1):
        bound = (6 / (net.sizes[i - 1] + net.sizes[i])) ** 0.5
        net.w[i], net.b[i] = random.uniform(-bound, bound, net.w[i].shape), random.uniform(-bound, bound, net.sizes[i])
    return net


def _trained(spec: dict[str, Any], seed: int, inputs: Any, targets: Any, epochs: int, **options: Any) -> Any:
    options |= {"engine": "cpu", "progress": False, "warn": False, "seed": seed}
    given = spec["rule"], spec["learning_rate"], epochs, spec["batch_size"]
    return train(_start(spec, seed), inputs, targets, *given, **options)


def curves(spec: dict[str, Any]) -> Any:
    """The error held out after each epoch, for each seed."""
    import tables

    inputs, targets, *out = tables.held_out(spec)
    found = []
    for seed in range(spec["seeds"]):
        _, history = _trained(spec, seed, inputs, targets, spec["most"], validation=tuple(out))
        found.append([float(E) for E in history.validation])
    return None, found


def fit(spec: dict[str, Any]) -> Any:
    """Whole fits, each round from another seed, for as many epochs as that one needs; it finds the errors held out."""
    import tables  # and with it scikit-learn, which no other question needs

    inputs, targets, out, wanted = tables.held_out(spec)

    def run(fits: int, round: int = 0) -> Any:
        seed = round % len(spec["epochs"])
        return _trained(spec, seed, inputs, targets, spec["epochs"][seed])[0]

    return run, [tables.error(spec, predict(run(1, seed), out), wanted) for seed in range(len(spec["epochs"]))]
