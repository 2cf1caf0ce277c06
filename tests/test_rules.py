"""Claim: an update rule does what its paper says, and plain gradient descent is plain."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from chainrule import Network, error, error_terms, forward, train
from chainrule.training.descent import RULES, Rule, rule

pytestmark = pytest.mark.usefixtures("on_the_page")

EPS = float(np.finfo(np.float64).eps)
ONE_OF = f"rule must be one of {', '.join(RULES)}"


def gradients(steps=50, parameters=200, seed=0):
    """Random gradients whose entries differ in size by 12 orders of magnitude, as they do in deep networks."""
    random = np.random.default_rng(seed)
    scale = 10.0 ** random.uniform(-9, 3, parameters)
    return random.normal(size=(steps, parameters)) * scale


def path(chosen, theta, by, learning_rate):
    """θ after each step of a rule along these gradients."""
    slots, found = tuple(np.zeros_like(theta) for _ in range(chosen.slots)), []
    for n, g in enumerate(by, 1):
        theta, slots = chosen.step(theta, g, slots, learning_rate, n)
        assert len(slots) == chosen.slots
        found.append(theta)
    return np.array(found)


def path_of_optax(optimizer, theta, by):
    """θ after each step of optax along these gradients."""
    theta, found = jnp.asarray(theta), []
    state = optimizer.init(theta)
    for g in by:
        change, state = optimizer.update(jnp.asarray(g), state, theta)
        theta = optax.apply_updates(theta, change)
        found.append(np.asarray(theta))
    assert theta.dtype == np.float64
    return np.array(found)


# -------------------------------------------------------------------------------------------------------- against optax


@pytest.mark.parametrize(
    ("chosen", "optimizer", "ulps"),
    [
        (rule("gradient_descent"), optax.sgd(0.03), 0),
        (rule("momentum"), optax.sgd(0.03, momentum=0.9), 0),
        (rule("momentum", momentum=0.5), optax.sgd(0.03, momentum=0.5), 0),
        (rule("nesterov"), optax.sgd(0.03, momentum=0.9, nesterov=True), 2),
        (rule("nesterov", momentum=0.5), optax.sgd(0.03, momentum=0.5, nesterov=True), 2),
        (rule("rmsprop"), optax.rmsprop(0.03, eps_in_sqrt=False), 4),
        (rule("rmsprop", decay=0.5, epsilon=1e-3), optax.rmsprop(0.03, 0.5, 1e-3, eps_in_sqrt=False), 4),
        (rule("adamw"), optax.adamw(0.03), 300),
        (rule("adamw", weight_decay=0.2), optax.adamw(0.03, weight_decay=0.2), 300),
        (rule("adam"), optax.adam(0.03), 300),
        (rule("adam", beta_1=0.7, beta_2=0.95, epsilon=1e-3), optax.adam(0.03, b1=0.7, b2=0.95, eps=1e-3), 300),
    ],
    ids=lambda value: f"{value.name} {[*value.constants.values()]}" if isinstance(value, Rule) else "",
)
def test_optax(chosen, optimizer, ulps):
    """50 steps along random gradients are optax's: bit for bit where both do the same operations in the same order, and
    within 4 ulps of the path walked so far where a sum, a root or a limit is rounded otherwise (measured: 2);
    Adam's within 300 (measured: 2), because beta_2^2 may be rounded either way, which is 500 ulps of 1 - beta_2^2 =
    0.002 and 250 of its root. Where weights decay they are counted with the path, and do not start from 0.
    """
    by, start = gradients(), np.random.default_rng(1).normal(size=200) * (chosen.name == "adamw")
    ours, theirs = path(chosen, start, by, 0.03), path_of_optax(optimizer, start, by)
    walked = np.abs(np.diff(theirs, axis=0, prepend=start[None])).cumsum(axis=0) + np.abs(start)
    assert (np.abs(ours - theirs) <= ulps * EPS * walked).all()
    assert (walked[-1] > 0).all()


@pytest.mark.parametrize(
    "constants",
    [{}, {"least": 0.02, "most": 0.05}, {"shrink": 0.9, "grow": 1.5}],
    ids=["usual", "close limits", "other factors"],
)
def test_rprop(constants):
    """50 steps of Rprop are those that optax computes and keeps, within 4 ulps of the path; they grow, shrink and rest
    on the way. What optax 0.2.8 hands out is the step before, of which it knows (its pull request 1725).
    """
    names = {"least": "min_step_size", "most": "max_step_size", "shrink": "eta_minus", "grow": "eta_plus"}
    by, start = gradients(), np.zeros(200)
    optimizer = optax.rprop(0.03, **{names[name]: value for name, value in constants.items()})
    state, steps, sizes = optimizer.init(jnp.zeros(200)), [], []
    for g in by:
        _, state = optimizer.update(jnp.asarray(g), state)
        steps.append(np.asarray(state[0].prev_updates))
        sizes.append(np.asarray(state[0].step_sizes))
    theirs, walked = -np.cumsum(steps, axis=0), np.cumsum(np.abs(steps), axis=0)
    assert (np.abs(path(rule("rprop", **constants), start, by, 0.03) - theirs) <= 4 * EPS * walked).all()
    assert {-1, 0, 1} == {*np.sign(np.diff(sizes, axis=0)).ravel()}
    assert (np.array(steps) == 0).any()
    assert (np.min(sizes), np.max(sizes)) == (0.02, 0.05) or "most" not in constants


@pytest.mark.parametrize("name", [name for name, row in RULES.items() if not row.whole])
def test_what_is_not_finite_is_not_hidden(name):
    """A gradient that is not finite leaves θ or a memory that is not, so that the engine ends the pass; Rprop, which
    looks at signs alone, too.
    """
    for wrong in (np.inf, -np.inf, np.nan):
        slots = tuple(np.zeros(2) for _ in range(RULES[name].slots))
        with np.errstate(invalid="ignore"):
            theta, slots = RULES[name].step(np.zeros(2), np.array([1.0, wrong]), slots, 0.1, 1)
        assert not all(np.isfinite(values).all() for values in (theta, *slots))


# ------------------------------------------------------------------------------------------------------------- clipping


@pytest.mark.parametrize("name", ["gradient_descent", "momentum", "adam"])
def test_clip_is_that_of_optax(name):
    """Clipped, 50 steps are those of optax behind clip_by_global_norm, to 300 ulps of the path, Adam's limit; the norm
    is added in another order, which is a few. Half of the gradients are clipped, half are not.
    """
    by, start = gradients(), np.zeros(200)
    clip = float(np.median(np.linalg.norm(by, axis=1)))
    optimizer = {"gradient_descent": optax.sgd(0.03), "momentum": optax.sgd(0.03, 0.9), "adam": optax.adam(0.03)}[name]
    theirs = path_of_optax(optax.chain(optax.clip_by_global_norm(clip), optimizer), start, by)
    walked = np.abs(np.diff(theirs, axis=0, prepend=start[None])).cumsum(axis=0)
    assert (np.abs(path(rule(name, clip=clip), start, by, 0.03) - theirs) <= 300 * EPS * walked).all()
    assert not np.allclose(path(rule(name), start, by, 0.03), theirs, rtol=1e-3)


def test_clip():
    """A gradient that is short enough stays bit for bit, one of 0 too; one whose squares overflow is shortened."""
    chosen, g = rule("gradient_descent", clip=5.0), np.array([0.1, -0.7, 3.0])
    for short in (g, 0 * g):
        assert np.array_equal(path(chosen, np.zeros(3), [short], 1.0)[0], -short)
    for size in (1.0, 1e-200, 1e200):
        clipped = path(rule(chosen, clip=size), np.zeros(2), [np.array([30.0, -40.0]) * size], 1.0)[0]
        assert clipped == pytest.approx([-0.6 * size, 0.8 * size], rel=4 * EPS)
    assert path(chosen, np.zeros(3, "float32"), [1000 * g.astype("float32")], 1.0)[0].dtype == np.float32


def test_clip_counts_what_learns():
    """A frozen layer's part of the gradient does not count for the norm, for nothing goes there."""
    g, η = np.array([300.0, 3.0, 4.0]), np.array([0.0, 1.0, 1.0])
    assert path(rule("gradient_descent", clip=5.0), np.zeros(3), [g], η)[0].tolist() == [0, -3, -4]


def test_clip_of_train():
    """train clips for any rule that is given by name, as a rule that clips does."""
    start, inputs, targets = learnable([3, 4, 2])

    def run(chosen, **options):
        return train(start, inputs, targets + 3, chosen, 0.02, 3, 7, warn=False, **options)[0].theta

    assert np.array_equal(run("momentum", clip=0.5), run(rule("momentum", clip=0.5)))
    assert not np.allclose(run("momentum", clip=0.5), run("momentum"))
    assert np.array_equal(run("momentum", clip=1e9), run("momentum"))


# ---------------------------------------------------------------------------------------------- learning rates by layer


@pytest.mark.parametrize("name", [name for name, row in RULES.items() if not row.whole])
def test_a_learning_rate_for_each_weight(name):
    """With η as long as θ every weight goes its own way, bit for bit as with that η alone; where that is 0 it stays."""
    by, start = gradients(20), np.random.default_rng(2).normal(size=200)
    η = np.repeat([0.0, 0.03, 0.1, 0.0], 50)
    found = path(RULES[name], start, by, η)
    assert np.array_equal(found[:, η == 0], np.broadcast_to(start[η == 0], (20, 100)))
    for alone in (0.03, 0.1):
        assert np.array_equal(found[:, η == alone], path(RULES[name], start, by, alone)[:, η == alone])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", list(RULES))
def test_a_frozen_layer(name, dtype):
    """A layer whose factor is 0 keeps its weights and biases bit for bit, penalties and clipping included, and the
    others learn; factors of 1 change nothing.
    """
    start, inputs, targets = learnable([3, 4, 5, 2], l2=0.1)
    start, clip = start.astype(dtype), None if RULES[name].whole else 0.3
    for layer in (1, 2, 3):
        net, _ = train(start, inputs, targets, name, 0.01, 4, 8, layer_rates={layer: 0}, clip=clip, warn=False)
        assert net.dtype == dtype
        same = [np.array_equal(net.w[i], start.w[i]) and np.array_equal(net.b[i], start.b[i]) for i in range(1, 4)]
        assert same == [i == layer for i in range(1, 4)]
    alike, _ = train(start, inputs, targets, name, 0.01, 4, 8, layer_rates={1: 1, 3: 1.0}, warn=False)
    assert np.array_equal(alike.theta, train(start, inputs, targets, name, 0.01, 4, 8, warn=False)[0].theta)


def test_layer_rates():
    """A layer learns at η times its factor: one step of descent is that much longer there, and as long elsewhere."""
    start, inputs, targets = learnable([3, 4, 5, 2])

    def change(**options):
        net, _ = train(start, inputs, targets, "gradient_descent", 0.125, 1, None, warn=False, **options)
        return [net.w[i] - start.w[i] for i in range(1, 4)]

    for plain, own, factor in zip(change(), change(layer_rates={1: 0.25, 3: 2}), (0.25, 1, 2), strict=True):
        assert own == pytest.approx(factor * plain, rel=1e-9, abs=1e-12)  # differences of weights near 1


def test_lbfgs_with_a_frozen_layer():
    """With the first layer frozen L-BFGS ends at the minimum of the rest, which linear algebra finds from y_1."""
    inputs, targets, _ = line()
    start = Network([5, 3, 2], seed=2)
    net, history = train(start, inputs, targets, "lbfgs", epochs=500, layer_rates={1: 0})
    y_1 = np.column_stack([forward(start, inputs).y[1], np.ones(60)])
    best, *_ = np.linalg.lstsq(y_1, targets, rcond=None)
    least = ((targets - y_1 @ best) ** 2).sum() / 120
    assert abs(history.E - least) <= 1e-11 * least
    assert np.array_equal(net.w[1], start.w[1])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"clip": 0}, "clip must be a finite number above 0, or None; got 0. Try 1."),
        ({"clip": "1"}, "clip must be a finite number above 0, or None; got '1'. Try 1."),
        (
            {"rule": "lbfgs", "clip": 1.0},
            "clip must be left out for rule 'lbfgs'; got 1.0. It chooses the length of its own steps.",
        ),
        (
            {"layer_rates": {3: 0.5}},
            "layer_rates must map layers, 1 to 2, to finite factors from 0 up; got layer 3. To freeze the first layer "
            "pass {1: 0}.",
        ),
        (
            {"layer_rates": {1: -1}},
            "layer_rates must map layers, 1 to 2, to finite factors from 0 up; got -1 for layer 1. To freeze the first "
            "layer pass {1: 0}.",
        ),
        (
            {"layer_rates": [0, 1]},
            "layer_rates must map layers, 1 to 2, to finite factors from 0 up; got list. To freeze the first layer "
            "pass {1: 0}.",
        ),
        (
            {"rule": "lbfgs", "layer_rates": {1: 0.5, 2: 0}},
            "layer_rates must be 0 or 1 for rule 'lbfgs', which has no learning rate; got {1: 0.5, 2: 0.0}. Freeze a "
            "layer, or leave it out.",
        ),
    ],
)
def test_clip_and_layer_rates_refuse(options, sentence):
    """What cannot be clipped by, or multiplied with, is refused in one sentence."""
    start, inputs, targets = learnable([3, 4, 2])
    with pytest.raises(ValueError, match=" must ") as refused:
        train(start, inputs, targets, **options)
    assert str(refused.value) == sentence


def test_first_step_of_adam():
    """Adam's means are corrected for their start at 0: its first step has the length of the learning rate, whatever the
    size of the gradient, but for epsilon / |g|.
    """
    g = np.array([1e-3, -1.0, 1e6])
    assert path(rule("adam"), np.zeros(3), [g], 0.25)[0] == pytest.approx(-0.25 * np.sign(g), rel=2e-5)


# -------------------------------------------------------------------------------------------------------- plain descent


def learnable(sizes, patterns=30, **options):
    """A network near the one that made the targets, better than a constant from the start; its inputs and targets."""
    random = np.random.default_rng(5)
    teacher = Network(sizes, seed=4, **options)
    inputs = random.normal(size=(patterns, sizes[0]))
    start = teacher.replace(teacher.theta + random.normal(0, 0.05, teacher.n_parameters))
    return start, inputs, forward(teacher, inputs).y[-1]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("hidden", [(), (5,), (4, 3)])
def test_gradient_descent_is_plain(hidden, bias):
    """One epoch of single patterns in their own order is the paper's loop, bit for bit: forward, error terms, and then
    w_ijk + η e_ij y_i-1,k for every weight, pattern by pattern, with nothing added.
    """
    start, inputs, targets = learnable([3, *hidden, 2], bias=bias)
    net, η = start.copy(), 0.05
    for y_0, t in zip(inputs, targets, strict=True):
        trace = forward(net, y_0[None])
        e = error_terms(net, trace, t[None])
        new = net.copy()
        for i in range(1, net.depth + 1):
            for j in range(net.sizes[i]):
                for k in range(net.sizes[i - 1]):
                    new.w[i][j, k] = net.w[i][j, k] + η * (e[i][0, j] * trace.y[i - 1][0, k])
                if bias:
                    new.b[i][j] = net.b[i][j] + η * e[i][0, j]
        net = new
    trained, _ = train(start, inputs, targets, "gradient_descent", η, epochs=1, batch_size=1, shuffle=False)
    assert np.array_equal(trained.theta, net.theta)
    assert not np.array_equal(net.theta, start.theta)


def test_gradient_descent_keeps_nothing():
    """Gradient descent has no memory: one run of 6 epochs is 6 runs of 1, bit for bit; a run by momentum is not."""
    start, inputs, targets = learnable([3, 4, 2])

    def in_one(chosen):
        return train(start, inputs, targets, chosen, 0.05, 6, 7, shuffle=False)[0].theta

    def one_by_one(chosen):
        net = start
        for _ in range(6):
            net, _ = train(net, inputs, targets, chosen, 0.05, 1, 7, shuffle=False)
        return net.theta

    assert RULES["gradient_descent"].slots == 0
    assert np.array_equal(in_one("gradient_descent"), one_by_one("gradient_descent"))
    assert not np.allclose(in_one("momentum"), one_by_one("momentum"))


# ------------------------------------------------------------------------------------------------ how a rule is written


class Plain:
    """A vector with + - * / **, comparisons and nothing else: no namespace, no dtype, no length."""

    def __init__(self, values):
        self._values = list(values)

    def _with(self, other, operation):
        others = other._values if isinstance(other, Plain) else [other] * len(self._values)
        return Plain(operation(a, b) for a, b in zip(self._values, others, strict=True))

    def __add__(self, other):
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other):
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other):
        return self._with(other, lambda a, b: a * b)

    def __truediv__(self, other):
        return self._with(other, lambda a, b: a / b)

    def __pow__(self, other):
        return self._with(other, lambda a, b: a**b)

    def __rsub__(self, other):
        return self._with(other, lambda a, b: b - a)

    def __gt__(self, other):
        return self._with(other, lambda a, b: a > b)

    def __ge__(self, other):
        return self._with(other, lambda a, b: a >= b)

    def __lt__(self, other):
        return self._with(other, lambda a, b: a < b)

    def __eq__(self, other):
        return self._with(other, lambda a, b: a == b)

    def __ne__(self, other):
        return self._with(other, lambda a, b: a != b)

    __radd__, __rmul__ = __add__, __mul__
    __hash__ = object.__hash__


def path_of_plain(chosen, theta, by):
    """θ at the end of these gradients, with vectors that have nothing but the operators."""
    slots = tuple(Plain([0.0] * len(theta)) for _ in range(chosen.slots))
    theta = Plain(theta)
    for n, g in enumerate(by, 1):
        theta, slots = chosen.step(theta, Plain(g.tolist()), slots, 0.03, n)
    return np.array(theta._values)


@pytest.mark.parametrize("name", [name for name, row in RULES.items() if not row.whole])
def test_operators_alone(name):
    """A rule runs on anything that has + - * / ** and comparisons, and gives NumPy's numbers; x**0.5 may be rounded
    otherwise than the root that NumPy takes, 2 ulps of each of the 50 steps.
    """
    by = gradients()
    walked = np.abs(np.diff(path(rule(name), np.zeros(200), by, 0.03), axis=0, prepend=0)).sum(axis=0)
    ours = path(rule(name), np.zeros(200), by, 0.03)[-1]
    assert (np.abs(path_of_plain(rule(name), [0.0] * 200, by) - ours) <= 2 * EPS * walked).all()


def test_operators_alone_bites():
    """A rule that asks for more than the operators does not pass: this one takes a root by NumPy's name."""
    rooted = Rule("rooted", lambda theta, g, slots, η, n: (theta - η * g / np.sqrt(g * g), slots))
    with pytest.raises(TypeError):
        path_of_plain(rooted, [0.0] * 200, gradients())


def test_a_rule_of_your_own():
    """A rule of a user's own is one function; train runs it, and its memory lasts from epoch to epoch."""

    def counting(theta, g, slots, η, n, *, shrink):
        return theta - η * shrink * g, (slots[0] + 1,)

    seen = []

    def watched(theta, g, slots, η, n, **constants):
        seen.append((n, float(slots[0][0])))
        return counting(theta, g, slots, η, n, **constants)

    start, inputs, targets = learnable([3, 4, 2])
    own = Rule("own", watched, slots=1, constants={"shrink": 1.0})
    by_own, history = train(start, inputs, targets, rule(own, shrink=0.5), 0.1, 3, 10)
    plain, _ = train(start, inputs, targets, "gradient_descent", 0.05, 3, 10)
    assert np.array_equal(by_own.theta, plain.theta)
    assert seen == [(n, n - 1) for n in range(1, 10)]
    assert history.rule == "own"


# ------------------------------------------------------------------------------------------------------------ constants


def test_constants():
    """A rule by name has the usual constants; others can be given, and neither the table nor a given rule changes."""
    assert rule("adam").constants == {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
    assert rule("momentum").constants == {"momentum": 0.9}
    other = rule("momentum", momentum=0.5)
    assert other.constants == {"momentum": 0.5}
    assert rule(other, momentum=0.25).constants == {"momentum": 0.25}
    assert rule(other) == other
    assert (other.constants, RULES["momentum"].constants) == ({"momentum": 0.5}, {"momentum": 0.9})
    assert rule("adam", beta_2=0.5).constants == {"beta_1": 0.9, "beta_2": 0.5, "epsilon": 1e-8}


def test_momentum_of_zero_is_descent():
    """Momentum 0 is gradient descent, bit for bit."""
    start, inputs, targets = learnable([3, 4, 2])
    still, _ = train(start, inputs, targets, rule("momentum", momentum=0), 0.05)
    assert np.array_equal(still.theta, train(start, inputs, targets, "gradient_descent", 0.05)[0].theta)


@pytest.mark.parametrize("name", list(RULES))
def test_float32_stays(name):
    """In float32 every rule leaves weights in float32, also when a constant comes from NumPy in float64."""
    start, inputs, targets = learnable([3, 4, 2])
    chosen = rule(name, **{constant: np.float64(value) for constant, value in RULES[name].constants.items()})
    net, history = train(start.astype("float32"), inputs, targets, chosen, 0.01, epochs=3)
    assert net.dtype == np.float32
    assert all(type(E) is float for E in (*history.running, history.E, history.best_constant))


@pytest.mark.parametrize(
    ("which", "constants", "sentence"),
    [
        (
            "adm",
            {},
            f"{ONE_OF}; got 'adm'. Did you mean 'adam'?",
        ),
        (
            "sgd",
            {},
            f"{ONE_OF}; got 'sgd'. Choose one of them.",
        ),
        (
            None,
            {},
            f"{ONE_OF}; got None. Choose one of them.",
        ),
        (
            ["adam"],
            {},
            f"{ONE_OF}; got ['adam']. Did you mean 'adam'?",
        ),
        (
            "momentum",
            {"mu": 0.5, "damping": 1},
            "rule 'momentum' must be given constants that it has, momentum; got damping, mu. Leave them out.",
        ),
        (
            "gradient_descent",
            {"momentum": 0.5},
            "rule 'gradient_descent' must be given constants that it has, none; got momentum. Leave them out.",
        ),
        (
            rule("adam"),
            {"beta": 0.5},
            "rule 'adam' must be given constants that it has, beta_1, beta_2, epsilon; got beta. Leave them out.",
        ),
        (
            "momentum",
            {"momentum": float("nan")},
            "momentum must be a finite number; got nan. Leave it out for 0.9.",
        ),
        ("adam", {"epsilon": "1e-8"}, "epsilon must be a finite number; got '1e-8'. Leave it out for 1e-08."),
    ],
)
def test_rule_refuses(which, constants, sentence):
    """A rule that does not exist is refused with the nearest that does, and so are constants that it does not have."""
    with pytest.raises(ValueError, match=" must ") as refused:
        rule(which, **constants)
    assert str(refused.value) == sentence


# --------------------------------------------------------------------------------------------------------------- L-BFGS


def line(patterns=60, seed=3):
    """Inputs, and targets that a plane explains in part; and the inputs with a column of ones for the bias."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(patterns, 5))
    targets = inputs @ random.normal(size=(5, 2)) + random.normal(0, 0.5, size=(patterns, 2)) + 1
    return inputs, targets, np.column_stack([inputs, np.ones(patterns)])


@pytest.mark.parametrize(("weighted", "l2"), [(False, 0.0), (True, 0.0), (False, 0.3), (True, 0.3)])
def test_lbfgs_reaches_the_minimum(weighted, l2):
    """On linear least squares L-BFGS ends at the minimum that linear algebra finds: lstsq, with weights of the patterns
    as roots before the rows and L2 as further rows. It stops where an iteration gains less than 1e-12 of E; E is then
    within 1e-11 of the least, and the weights, whose error is about the root of that, within 1e-5.
    """
    inputs, targets, ones = line()
    s = np.random.default_rng(0).uniform(0.1, 2, 60) if weighted else np.ones(60)
    root = np.sqrt(s / s.sum())[:, None]
    rows = np.vstack([ones * root, np.sqrt(l2) * np.eye(6)[:5]])
    best, *_ = np.linalg.lstsq(rows, np.vstack([targets * root, np.zeros((5, 2))]), rcond=None)
    least = (((targets - ones @ best) * root) ** 2).sum() / 2 + l2 / 2 * (best[:5] ** 2).sum()
    net, history = train(Network([5, 2], l2=l2), inputs, targets, "lbfgs", epochs=500, weights=s if weighted else None)
    assert least * (1 - 1e-14) <= history.E <= least * (1 + 1e-11)
    assert np.abs(np.vstack([net.w[1].T, net.b[1]]) - best).max() < 1e-5
    assert history.stopped == "converged"
    assert history.epochs < 50


def test_lbfgs_epochs():
    """An epoch of L-BFGS is one of its iterations: E falls in each, no more are done than asked for, and the weights
    that are returned have the E of the last.
    """
    start, inputs, targets = learnable([3, 4, 2])
    net, history = train(start, inputs, targets, "lbfgs", epochs=7)
    assert history.epochs == history.best_epoch == 7
    assert history.stopped == "all epochs run"
    assert (np.diff(history.running) < 0).all()
    assert history.running[-1] == history.E
    shorter, _ = train(start, inputs, targets, "lbfgs", epochs=4)
    assert train(start, inputs, targets, "lbfgs", epochs=4)[1].running == history.running[:4]
    assert not np.array_equal(shorter.theta, net.theta)


def test_lbfgs_takes_neither_rate_nor_batches():
    """L-BFGS chooses its own steps on all patterns: learning rate, batch size, order and seed change nothing."""
    start, inputs, targets = learnable([3, 4, 2])
    one, _ = train(start, inputs, targets, "lbfgs", 0.1, 5, 32, seed=0)
    other, _ = train(start, inputs, targets, "lbfgs", 7.0, 5, 1, shuffle=False, seed=1)
    assert np.array_equal(one.theta, other.theta)


def test_lbfgs_at_the_minimum():
    """Where nothing is left to gain L-BFGS makes no step, and what it returns is a network of its own."""
    inputs, _, _ = line()
    start = Network([5, 3, 2], seed=1)
    net, history = train(start, inputs, forward(start, inputs).y[-1], "lbfgs")
    assert (history.epochs, history.best_epoch, history.stopped, history.E) == (0, 0, "converged", 0.0)
    assert np.array_equal(net.theta, start.theta)
    assert not np.shares_memory(net.theta, start.theta)


def test_lbfgs_says_when_it_is_stuck(monkeypatch):
    """Where no step along its direction lowers E, as with a gradient of the wrong sign, L-BFGS says that, and does not
    claim that all epochs were run.
    """
    from chainrule.engines import reference

    true = reference.value_and_gradient

    def uphill(state, theta):
        E, g = true(state, theta)
        return E, -g

    monkeypatch.setattr(reference, "value_and_gradient", uphill)
    start, inputs, targets = learnable([3, 4, 2])
    _, history = train(start, inputs, targets, "lbfgs", epochs=50)
    assert history.stopped == "no step lowers E any more"
    assert history.epochs == 0


def test_lbfgs_with_validation():
    """Validation works for L-BFGS as for the others: patience ends it, and the weights with the least E are kept."""
    inputs, targets, _ = line()
    held_out = inputs[:20], targets[:20] + 2
    net, history = train(Network([5, 2]), inputs, targets, "lbfgs", epochs=99, validation=held_out, patience=3)
    E = float(error(net, forward(net, held_out[0]), held_out[1]))
    assert min(history.validation) == E
    assert history.best_epoch == int(np.argmin(history.validation)) + 1
    assert history.epochs == history.best_epoch + 3
    assert history.stopped == "no smaller validation E for 3 epochs"
