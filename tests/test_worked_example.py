"""The paper's example, line by line: five layers, and the derivative of E by w_173, then by y_05.

Beside Gashler's text: every step of both derivations is computed as it stands there, and every step has the same value.
What still stands behind a ∂ is differentiated by the complex step, which knows nothing of the derivation.
"""

# ruff: noqa: E741  l is the paper's letter

from __future__ import annotations

import numpy as np
import pytest

import naive
from chainrule import Network, error, error_terms, forward, gradient, input_gradient, update
from chainrule.oracles import complex_step

SIZES = [6, 8, 7, 5, 4, 3]  # large enough for w_173 and for y_05
ACTIVATIONS = ["tanh", "sine", "logistic", "gaussian", "softplus"]

net = Network(SIZES, ACTIVATIONS, seed=2010)
random = np.random.default_rng(2010)
for n in range(1, 6):
    net.b[n] = random.normal(0, 0.5, SIZES[n])
pattern, target = random.normal(size=(1, 6)), random.normal(size=(1, 3))

trace = forward(net, pattern)
e = error_terms(net, trace, target)
g = gradient(net, trace, e)

# The paper has one pattern, so its letters have no p: x[i][j], y[i][j], t[i], w[i][j, k].
x, y, t, w = [None, *(x_i[0] for x_i in trace.x[1:])], [y_i[0] for y_i in trace.y], target[0], net.w
f = [None, *(naive.f[name] for name in ACTIVATIONS)]
f_prime = [None, *(naive.f_prime[name] for name in ACTIVATIONS)]
layer = [range(nodes) for nodes in SIZES]


def same(value):
    """Equal up to rounding: the 3·4·5·7 products of the nested sums are wrong by some ulp each, and cancel little."""
    return pytest.approx(value, rel=1e-14)


def differentials(theta, y_0):
    """∂E, ∂x and ∂y as θ and the inputs move in these directions: imaginary parts over an infinitesimal h."""
    h = 1e-30
    moved = forward(net.replace(net.theta + 1j * h * theta), pattern + 1j * h * y_0)
    d_E = (0.5 * ((target - moved.y[5]) ** 2).sum()).imag / h
    return d_E, [None, *(x_i[0].imag / h for x_i in moved.x[1:])], [y_i[0].imag / h for y_i in moved.y]


def direction(name):
    """The unit vector of θ in which one parameter alone moves."""
    return np.array([float(net.entry(n) == name) for n in range(net.n_parameters)])


def E_of(theta):
    """The reported error as a function of θ."""
    there = net.replace(theta)
    return error(there, forward(there, pattern), target)


def step_19():
    """The formula at which the derivation arrives."""
    return -sum(
        (t[i] - y[5][i]) * f_prime[5](x[5][i]) * sum(
            w[5][i, j] * f_prime[4](x[4][j]) * sum(
                w[4][j, k] * f_prime[3](x[3][k]) * sum(
                    w[3][k, l] * f_prime[2](x[2][l]) * w[2][l, 7] * f_prime[1](x[1][7]) * y[0][3]
                    for l in layer[2])
                for k in layer[3])
            for j in layer[4])
        for i in layer[5])  # fmt: skip


def test_the_definitions():
    """x_ij = Σ_k w_ijk y_i-1,k, with a bias as the weight from a node whose output is 1, and y_ij = f_i(x_ij)."""
    for i in range(1, 6):
        for j in layer[i]:
            assert x[i][j] == same(sum(w[i][j, k] * y[i - 1][k] for k in layer[i - 1]) + net.b[i][j])
            assert y[i][j] == same(f[i](x[i][j]))


def test_steps_1_to_18():
    """Every step of the derivation is equal to the one before it: what it says of ∂E/∂w_173 is true in numbers."""
    dE, dx, dy = differentials(direction("w[1][7,3]"), np.zeros((1, 6)))
    dw_173 = 1.0

    step_1 = dE
    step_3 = -sum((t[i] - y[5][i]) * dy[5][i] for i in layer[5])
    step_5 = -sum((t[i] - y[5][i]) * f_prime[5](x[5][i]) * dx[5][i] for i in layer[5])
    step_7 = -sum(
        (t[i] - y[5][i]) * f_prime[5](x[5][i]) * sum(
            w[5][i, j] * dy[4][j]
            for j in layer[4])
        for i in layer[5])  # fmt: skip
    step_9 = -sum(
        (t[i] - y[5][i]) * f_prime[5](x[5][i]) * sum(
            w[5][i, j] * f_prime[4](x[4][j]) * sum(
                w[4][j, k] * dy[3][k]
                for k in layer[3])
            for j in layer[4])
        for i in layer[5])  # fmt: skip
    step_10 = -sum(
        (t[i] - y[5][i]) * f_prime[5](x[5][i]) * sum(
            w[5][i, j] * f_prime[4](x[4][j]) * sum(
                w[4][j, k] * f_prime[3](x[3][k]) * sum(
                    w[3][k, l] * dy[2][l]
                    for l in layer[2])
                for k in layer[3])
            for j in layer[4])
        for i in layer[5])  # fmt: skip

    def approaching_the_layer_of_interest(the_rest):  # steps 11 to 18 share all but what follows f'_2(x_2l)
        return -sum(
            (t[i] - y[5][i]) * f_prime[5](x[5][i]) * sum(
                w[5][i, j] * f_prime[4](x[4][j]) * sum(
                    w[4][j, k] * f_prime[3](x[3][k]) * sum(
                        w[3][k, l] * f_prime[2](x[2][l]) * the_rest(l)
                        for l in layer[2])
                    for k in layer[3])
                for j in layer[4])
            for i in layer[5])  # fmt: skip

    step_11 = approaching_the_layer_of_interest(lambda l: dx[2][l])
    step_12 = approaching_the_layer_of_interest(lambda l: sum(w[2][l, m] * dy[1][m] for m in layer[1]))
    step_14 = approaching_the_layer_of_interest(lambda l: w[2][l, 7] * dy[1][7])
    step_16 = approaching_the_layer_of_interest(lambda l: w[2][l, 7] * f_prime[1](x[1][7]) * dx[1][7])
    step_18 = approaching_the_layer_of_interest(lambda l: w[2][l, 7] * f_prime[1](x[1][7]) * dw_173 * y[0][3])

    steps = [step_1, step_3, step_5, step_7, step_9, step_10, step_11, step_12, step_14, step_16, step_18]
    assert steps == [same(step_19())] * len(steps)
    assert [m for m in layer[1] if dy[1][m] != 0] == [7]  # step 13: all terms but m = 7 are constants


def test_step_19():
    """∂E/∂w_173 by the nested sums = the page's −e_17 y_03 = its gradient = the literal twin = the complex step."""
    oracle = complex_step(E_of, net.theta, direction("w[1][7,3]"))
    twin = naive.step_19(naive.plain(net), *naive.forward(naive.plain(net), pattern[0]), t, 1, 7, 3)

    assert abs(step_19()) > 1e-3
    assert -e[1][0, 7] * y[0][3] == same(step_19())
    assert g.w[1][7, 3] == same(step_19())
    assert twin == same(step_19())
    assert oracle == same(step_19())


def test_steps_20_to_24():
    """Caching the error terms changes nothing: each step is step 19, and each error term is the page's."""
    e_5 = [(t[i] - y[5][i]) * f_prime[5](x[5][i]) for i in layer[5]]
    step_20 = -sum(
        e_5[i] * sum(
            w[5][i, j] * f_prime[4](x[4][j]) * sum(
                w[4][j, k] * f_prime[3](x[3][k]) * sum(
                    w[3][k, l] * f_prime[2](x[2][l]) * w[2][l, 7] * f_prime[1](x[1][7]) * y[0][3]
                    for l in layer[2])
                for k in layer[3])
            for j in layer[4])
        for i in layer[5])  # fmt: skip

    e_4 = [sum(e_5[i] * w[5][i, j] * f_prime[4](x[4][j]) for i in layer[5]) for j in layer[4]]
    step_21 = -sum(
        e_4[j] * sum(
            w[4][j, k] * f_prime[3](x[3][k]) * sum(
                w[3][k, l] * f_prime[2](x[2][l]) * w[2][l, 7] * f_prime[1](x[1][7]) * y[0][3]
                for l in layer[2])
            for k in layer[3])
        for j in layer[4])  # fmt: skip

    e_3 = [sum(e_4[j] * w[4][j, k] * f_prime[3](x[3][k]) for j in layer[4]) for k in layer[3]]
    step_22 = -sum(
        e_3[k] * sum(
            w[3][k, l] * f_prime[2](x[2][l]) * w[2][l, 7] * f_prime[1](x[1][7]) * y[0][3]
            for l in layer[2])
        for k in layer[3])  # fmt: skip

    e_2 = [sum(e_3[k] * w[3][k, l] * f_prime[2](x[2][l]) for k in layer[3]) for l in layer[2]]
    step_23 = -sum(e_2[l] * w[2][l, 7] * f_prime[1](x[1][7]) * y[0][3] for l in layer[2])

    e_17 = sum(e_2[l] * w[2][l, 7] * f_prime[1](x[1][7]) for l in layer[2])
    step_24 = -e_17 * y[0][3]

    assert [step_20, step_21, step_22, step_23, step_24] == [same(step_19())] * 5
    assert e_5 == [same(e[5][0, i]) for i in layer[5]]
    assert e_4 == [same(e[4][0, j]) for j in layer[4]]
    assert e_3 == [same(e[3][0, k]) for k in layer[3]]
    assert e_2 == [same(e[2][0, l]) for l in layer[2]]
    assert e_17 == same(e[1][0, 7])


def test_every_weight():
    """The gradient by any weight is the negative error of the node it feeds into times the value that feeds in."""
    for i in range(1, 6):
        for j in layer[i]:
            for k in layer[i - 1]:
                assert g.w[i][j, k] == -e[i][0, j] * y[i - 1][k]


def test_bias():
    """A bias is the weight from a node whose output is 1, so ∂E/∂b_17 = −e_17, by the complex step too."""
    oracle = complex_step(E_of, net.theta, direction("b[1][7]"))

    assert g.b[1][7] == -e[1][0, 7]
    assert g.b[1][7] == same(oracle)
    assert g.b[1][7] * y[0][3] == same(step_19())


def test_the_second_derivation():
    """The gradient by the input y_05, "just for fun": each step equals the last one, −Σ_m e_1m w_1m5."""
    dE, dx, dy = differentials(np.zeros(net.n_parameters), np.eye(6)[[5]])

    def down_to_layer_2(the_rest):
        return -sum(
            (t[i] - y[5][i]) * f_prime[5](x[5][i]) * sum(
                w[5][i, j] * f_prime[4](x[4][j]) * sum(
                    w[4][j, k] * f_prime[3](x[3][k]) * sum(
                        w[3][k, l] * the_rest(l)
                        for l in layer[2])
                    for k in layer[3])
                for j in layer[4])
            for i in layer[5])  # fmt: skip

    step_1 = dE
    step_3 = -sum((t[i] - y[5][i]) * dy[5][i] for i in layer[5])
    step_5 = -sum((t[i] - y[5][i]) * f_prime[5](x[5][i]) * dx[5][i] for i in layer[5])
    step_10 = down_to_layer_2(lambda l: dy[2][l])
    step_12 = down_to_layer_2(
        lambda l: f_prime[2](x[2][l]) * sum(w[2][l, m] * f_prime[1](x[1][m]) * dx[1][m] for m in layer[1])
    )
    step_16 = down_to_layer_2(
        lambda l: f_prime[2](x[2][l]) * sum(w[2][l, m] * f_prime[1](x[1][m]) * w[1][m, 5] for m in layer[1])
    )
    step_17 = -sum(e[1][0, m] * w[1][m, 5] for m in layer[1])

    assert abs(step_17) > 1e-3
    assert [step_1, step_3, step_5, step_10, step_12, step_16] == [same(step_17)] * 6
    assert input_gradient(net, e)[0, 5] == same(step_17)


def test_every_input():
    """input_gradient is −Σ_m e_1m w_1mk for every input k, the nested sums of step 16 and the complex step."""
    twin = naive.plain(net)
    x_and_y = naive.forward(twin, pattern[0])
    for k, d in enumerate(input_gradient(net, e)[0]):
        y_0k = np.eye(6)[[k]]
        oracle = complex_step(lambda y_0: error(net, forward(net, y_0), target), pattern, y_0k)
        assert d == same(-sum(e[1][0, m] * w[1][m, k] for m in layer[1]))
        assert d == same(naive.step_16_of_inputs(twin, *x_and_y, t, k))
        assert d == same(oracle)


def test_the_update():
    """Subtracting the gradient times a learning rate is w_ijk + η e_ij y_i-1,k, and makes the error smaller."""
    learning_rate = 0.01
    after = update(net, g, learning_rate)

    assert after.w[1][7, 3] == w[1][7, 3] + learning_rate * (e[1][0, 7] * y[0][3])
    for i in range(1, 6):
        for j in layer[i]:
            assert after.b[i][j] == net.b[i][j] + learning_rate * e[i][0, j]
            for k in layer[i - 1]:
                assert after.w[i][j, k] == w[i][j, k] + learning_rate * (e[i][0, j] * y[i - 1][k])
    assert error(after, forward(after, pattern), target) < error(net, trace, target)
