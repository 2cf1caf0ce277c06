"""Is the gradient that of the loss which is reported? The same network in scikit-learn and here.

scikit-learn's MLPRegressor reports the mean over patterns *and outputs*, and descends the mean over patterns of the sum
over outputs: its gradient is n_outputs times that of its loss (scikit-learn#8349). The certificate says so.
"""

import numpy as np
from sklearn.neural_network import MLPRegressor

from chainrule import Network, check

random = np.random.default_rng(0)
inputs, targets = random.normal(size=(20, 4)), random.normal(size=(20, 3))
RATE = 1e-3

theirs = MLPRegressor(
    hidden_layer_sizes=(5,),
    activation="tanh",
    solver="sgd",
    learning_rate_init=RATE,
    momentum=0,
    alpha=0,
    batch_size=20,
    random_state=0,
)
theirs.partial_fit(inputs, targets)
parameters = [*theirs.coefs_, *theirs.intercepts_]


def step(theta: list[np.ndarray]) -> float:
    """Put theta into the network and take one step of plain descent; the loss that is reported for it."""
    for parameter, values in zip(parameters, theta, strict=True):
        parameter[...] = values
    theirs.partial_fit(inputs, targets)
    return theirs.loss_


def descended(theta: list[np.ndarray]) -> list[np.ndarray]:
    """The gradient it descends: the step it took, over the learning rate."""
    step(theta)
    return [(before - after) / RATE for before, after in zip(theta, parameters, strict=True)]


start = [parameter.copy() for parameter in parameters]
certificate = check(step, descended, start)
ratio = certificate.worst.gradient / certificate.worst.oracle
print(f"scikit-learn: gradient / slope of the reported loss = {ratio:.6f} for {targets.shape[1]} outputs")

weights, biases = [w.T for w in start[:2]], start[2:]
ours = Network.from_weights(weights, biases, activations=["tanh", "identity"])
certificate = check(ours, inputs, targets)
ratio = certificate.worst.gradient / certificate.worst.oracle
print(f"Chainrule:    gradient / slope of the reported E    = {ratio:.6f}")
