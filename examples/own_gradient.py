"""Check a gradient that you wrote by hand, here with a mistake in it: the certificate names the entry."""

import numpy as np

from chainrule import check

random = np.random.default_rng(0)
inputs, targets = random.normal(size=(8, 3)), random.normal(size=8)


def loss(theta: dict[str, np.ndarray]) -> float:
    """Half the mean squared error of a small network."""
    hidden = np.tanh(inputs @ theta["w"])
    return float(((targets - hidden @ theta["v"]) ** 2).mean() / 2)


def gradient(theta: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Its gradient, by somebody who forgot that the derivative of tanh is 1 - tanh squared."""
    hidden = np.tanh(inputs @ theta["w"])
    r = (hidden @ theta["v"] - targets) / len(targets)
    return {"w": inputs.T @ (r[:, None] * theta["v"] * (1 - hidden)), "v": hidden.T @ r}


print(check(loss, gradient, {"w": random.normal(size=(3, 2)), "v": random.normal(size=2)}))
