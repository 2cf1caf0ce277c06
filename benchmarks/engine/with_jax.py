"""JAX as a contestant: an epoch is one compiled call, a scan over its batches, by the paper's equations or jax.grad."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import workloads


def _forward(parameters: Any, inputs: Any) -> Any:
    """y of every layer."""
    w, b = parameters
    y = [inputs]
    for i, (w_i, b_i) in enumerate(zip(w, b, strict=True), 1):
        x = y[-1] @ w_i + b_i
        y.append(jnp.tanh(x) if i < len(w) else x)
    return y


def _error(parameters: Any, inputs: Any, targets: Any) -> Any:
    return 0.5 * jnp.sum((targets - _forward(parameters, inputs)[-1]) ** 2) / len(inputs)


def _explicit(parameters: Any, inputs: Any, targets: Any) -> Any:
    """E and its gradient by the paper's equations."""
    w, _ = parameters
    y, n = _forward(parameters, inputs), len(inputs)
    e = targets - y[-1]
    E = 0.5 * jnp.sum(e * e) / n
    gradient: Any = ([None] * len(w), [None] * len(w))
    for i in reversed(range(len(w))):
        gradient[0][i], gradient[1][i] = -(y[i].T @ e) / n, -e.sum(0) / n
        if i:
            e = (e @ w[i].T) * (1 - y[i] ** 2)
    return E, gradient


def _trained(spec: dict[str, Any], value_and_gradient: Any) -> Any:
    jax.config.update("jax_enable_x64", spec["dtype"] == "float64")
    η, batch_size = spec["learning_rate"], spec["batch_size"]
    inputs, targets = (jnp.asarray(one) for one in workloads.patterns(spec))
    w, b = workloads.weights(spec)
    parameters: Any = ([jnp.asarray(one.T) for one in w], [jnp.asarray(one) for one in b])
    memory: Any = ()
    if spec["rule"] == "adam":
        import optax

        adam = optax.adam(η)
        memory = adam.init(parameters)

    def epoch(parameters: Any, memory: Any, inputs: Any, targets: Any, order: Any) -> Any:
        def step(carried: Any, rows: Any) -> Any:
            parameters, memory = carried
            E, gradient = value_and_gradient(parameters, inputs[rows], targets[rows])
            if spec["rule"] == "adam":
                updates, memory = adam.update(gradient, memory)
                return (optax.apply_updates(parameters, updates), memory), E
            return (jax.tree.map(lambda one, g: one - η * g, parameters, gradient), memory), E

        (parameters, memory), E = jax.lax.scan(step, (parameters, memory), order)
        return parameters, memory, E.mean()

    compiled = jax.jit(epoch, donate_argnums=(0, 1))

    def run(epochs: int) -> None:
        nonlocal parameters, memory
        E = None
        for n in range(epochs):
            order = workloads.order(spec, n).astype(np.int32).reshape(-1, batch_size)
            parameters, memory, E = compiled(parameters, memory, inputs, targets, order)
        jax.block_until_ready((parameters, E))

    run(1)
    return run, workloads.error(spec, [np.asarray(one).T for one in parameters[0]], parameters[1])


def explicit(spec: dict[str, Any]) -> Any:
    """The paper's equations."""
    return _trained(spec, _explicit)


def grad(spec: dict[str, Any]) -> Any:
    """JAX's own derivative."""
    return _trained(spec, jax.value_and_grad(_error))


def predict(spec: dict[str, Any]) -> Any:
    """The outputs by a compiled function, from and to NumPy."""
    jax.config.update("jax_enable_x64", spec["dtype"] == "float64")
    w, b = workloads.weights(spec)
    parameters = ([jnp.asarray(one.T) for one in w], [jnp.asarray(one) for one in b])
    inputs, _ = workloads.patterns(spec)
    compiled = jax.jit(lambda parameters, inputs: _forward(parameters, inputs)[-1])

    def run(calls: int) -> None:
        for _ in range(calls):
            np.asarray(compiled(parameters, inputs))

    return run, float(np.asarray(compiled(parameters, inputs)).sum(dtype=np.float64))
