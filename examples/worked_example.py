"""The paper's example: five layers, the weight w_173, and the error terms that make its derivative cheap."""

import numpy as np

from chainrule import Network, check, error_terms, forward, gradient, input_gradient, update

net = Network([6, 8, 7, 5, 4, 3], activations=["tanh", "logistic", "softsign", "sine", "identity"], seed=1)
random = np.random.default_rng(1)
inputs, targets = random.normal(size=(1, 6)), random.normal(size=(1, 3))

trace = forward(net, inputs)
e = error_terms(net, trace, targets)
g = gradient(net, trace, e)

print(f"y_03 = {trace.y[0][0, 3]:+.6f}   x_17 = {trace.x[1][0, 7]:+.6f}   e_17 = {e[1][0, 7]:+.6f}")
print(f"step 24:       -e_17 y_03   = {-e[1][0, 7] * trace.y[0][0, 3]:+.6f}")
print(f"the gradient:  dE/dw_173    = {g.w[1][7, 3]:+.6f}")
print(f"by an input:   dE/dy_05     = {input_gradient(net, e)[0, 5]:+.6f}")

better = update(net, g, learning_rate=0.1)
print(f"the update:    w_173        = {net.w[1][7, 3]:+.6f} -> {better.w[1][7, 3]:+.6f}")
print()
print(check(net, inputs, targets))
