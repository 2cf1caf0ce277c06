"""A network: its shapes and subscripts, its start, its copies, and one clear sentence for everything it cannot be."""

from __future__ import annotations

import copy
import json
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Activation, Network, Objective, error_terms, forward, gradient
from chainrule.activations import ACTIVATIONS
from chainrule.network import ErrorTerms


def small(**architecture) -> Network:
    """Three inputs, four hidden nodes, two outputs."""
    return Network([3, 4, 2], **architecture)


# --- shapes and subscripts -------------------------------------------------------------------------------------------


@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=9), data=st.data())
def test_shape_law(sizes, data):
    """w[i] is (nodes of i, nodes of i-1), b[i] is (nodes of i,) or None, and θ is all of them, layer by layer."""
    depth = len(sizes) - 1
    bias = data.draw(st.lists(st.booleans(), min_size=depth, max_size=depth))
    net = Network(sizes, bias=bias)
    net.theta[:] = np.arange(net.n_parameters)

    assert (net.depth, len(net.w), len(net.b), len(net.f)) == (depth, *[depth + 1] * 3)
    assert net.w[0] is net.b[0] is net.f[0] is net.f_prime[0] is None
    assert [net.w[i].shape for i in range(1, depth + 1)] == [(sizes[i], sizes[i - 1]) for i in range(1, depth + 1)]
    assert [net.b[i] is None for i in range(1, depth + 1)] == [not has for has in bias]
    assert all(b_i is None or b_i.shape == (nodes,) for b_i, nodes in zip(net.b, sizes, strict=True))
    in_order = [a.ravel() for i in range(1, depth + 1) for a in (net.w[i], net.b[i]) if a is not None]
    assert np.concatenate(in_order).tolist() == list(range(net.n_parameters))
    for n in range(net.n_parameters):
        letter, i, subscripts = re.fullmatch(r"([wb])\[(\d+)\]\[([\d,]+)\]", net.entry(n)).groups()
        assert getattr(net, letter)[int(i)][tuple(int(k) for k in subscripts.split(","))] == n


def test_subscripts_write_through():
    """net.w[1][7, 3] = ... and net.b[1][7] = ... change θ and what the network computes, and nothing else."""
    net = Network([6, 8, 7])
    before = net.theta.copy()
    net.w[1][7, 3] = 0.5
    net.b[1][7] = -0.25
    changed = np.flatnonzero(net.theta != before)
    assert [net.entry(n) for n in changed] == ["w[1][7,3]", "b[1][7]"]
    assert net.theta[changed].tolist() == [0.5, -0.25]
    inputs = np.eye(6)[[3]]
    assert forward(net, inputs).x[1][0, 7] == 0.5 - 0.25


def test_whole_layers_can_be_set():
    """net.w[1] = array and net.b[1] = list copy the values into θ; later changes of the array do not follow."""
    net, w, kept = small(), np.arange(12.0).reshape(4, 3), None
    kept = net.w[1]
    net.w[1] = w
    net.b[2] = [0.5, 1]
    w[0, 0] = 99
    assert net.theta[:12].tolist() == list(range(12))
    assert net.theta[-2:].tolist() == [0.5, 1]
    assert kept is net.w[1]
    net.w[1] += 1
    assert net.theta[:12].tolist() == list(range(1, 13))
    net.w[-1] = np.zeros((2, 4))
    assert not net.w[2].any()


def test_theta_can_be_set():
    """After net.theta = ..., w and b are slices of the new θ; changes of θ in place are seen in them as well."""
    net = small()
    before = net.w[1].copy()
    net.theta = net.theta * 2
    assert np.array_equal(net.w[1], 2 * before)
    net.theta[0] = 7
    assert net.w[1][0, 0] == 7
    net.w[1][0, 1] = 8
    assert net.theta[1] == 8


@pytest.mark.parametrize(
    ("letter", "i", "value", "sentence"),
    [
        (
            "w",
            3,
            np.zeros((7, 4)),
            "w[3] must have shape (nodes of layer 3, nodes of layer 2) = (4, 7); got (7, 4). "
            "Pass w[3].T if rows and columns are swapped.",
        ),
        (
            "w",
            3,
            np.zeros((4, 6)),
            "w[3] must have shape (nodes of layer 3, nodes of layer 2) = (4, 7); got (4, 6). Check sizes.",
        ),
        ("w", -1, 0.0, "w[3] must have shape (nodes of layer 3, nodes of layer 2) = (4, 7); got (). Check sizes."),
        ("b", 3, [1.0], "b[3] must have shape (nodes of layer 3,) = (4,); got (1,). Check sizes."),
        (
            "b",
            2,
            [1.0],
            "b[2] must be a NumPy array to be set; got NoneType. Layer 0 and layers without biases have none; "
            "arrays of JAX never change: use net.replace(theta=...).",
        ),
        (
            "w",
            0,
            [1.0],
            "w[0] must be a NumPy array to be set; got NoneType. Layer 0 and layers without biases have none; "
            "arrays of JAX never change: use net.replace(theta=...).",
        ),
    ],
)
def test_wrong_shapes_are_named(letter, i, value, sentence):
    """A layer of another shape is refused with the shape law, what came, and what to do; θ stays as it was."""
    net = Network([2, 3, 7, 4], bias=[True, False, True])
    before = net.theta.copy()
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        getattr(net, letter)[i] = value
    assert np.array_equal(net.theta, before)


def test_layers_say_their_shapes():
    """w and b print as shapes, have a length, and go through a loop like the paper's layers."""
    net = small(bias=[True, False])
    assert repr(net.w) == "w of shapes (None, (4, 3), (2, 4))"
    assert repr(net.b) == "b of shapes (None, (4,), None)"
    assert [None if w_i is None else w_i.shape for w_i in net.w] == [None, (4, 3), (2, 4)]


def test_representation():
    """A network prints as the call that makes it, without what is the default."""
    assert repr(small()) == "Network([3, 4, 2], activations=['tanh', 'identity'], objective='sse')"
    other = small(bias=[True, False], l1=0.5, l2=1e-3, dtype="float32", objective="poisson")
    assert repr(other) == (
        "Network([3, 4, 2], activations=['tanh', 'exp'], objective='poisson', bias=[True, False], l1=0.5, l2=0.001, "
        "dtype='float32')"
    )
    assert repr(small(bias=False)).endswith("objective='sse', bias=False)")


# --- how it is made --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "architecture", "names"),
    [
        ([3, 2], {}, ["identity"]),
        ([3, 4, 5, 2], {}, ["tanh", "tanh", "identity"]),
        ([3, 4, 5, 2], {"activations": "relu"}, ["relu", "relu", "identity"]),
        ([3, 4, 2], {"activations": ("sine", "exp")}, ["sine", "exp"]),
        ([3, 4, 2], {"objective": "cross_entropy"}, ["tanh", "softmax"]),
        ([3, 4, 1], {"objective": "cross_entropy", "activations": "gelu"}, ["gelu", "logistic"]),
        ([3, 4, 1], {"objective": "poisson"}, ["tanh", "exp"]),
        ([3, 4, 2], {"objective": "huber"}, ["tanh", "identity"]),
        ([3, 4, 2], {"objective": "cross_entropy", "activations": ["relu", "logistic"]}, ["relu", "logistic"]),
    ],
)
def test_defaults(sizes, architecture, names):
    """Hidden layers are tanh unless one name says otherwise, and the output activation is the objective's."""
    assert [row.name for row in Network(sizes, **architecture).f[1:]] == names


def test_from_weights():
    """from_weights takes the arrays of layers 1 to L, with or without an empty slot 0, and copies them."""
    random = np.random.default_rng(0)
    w, b = [random.normal(size=(4, 3)), random.normal(size=(2, 4))], [None, random.normal(size=2)]
    for given_w, given_b in ((w, b), ([None, *w], [None, *b]), ([a.tolist() for a in w], [None, b[1].tolist()])):
        net = Network.from_weights(given_w, given_b, activations="relu", l2=0.1)
        assert (net.sizes, net.bias, net.l2, net.f[1].name) == ((3, 4, 2), (False, True), 0.1, "relu")
        assert all(np.array_equal(net.w[i], w[i - 1]) for i in (1, 2))
        assert net.b[1] is None
        assert np.array_equal(net.b[2], b[1])
    net.w[1][0, 0] = 9
    assert w[0][0, 0] != 9
    assert Network.from_weights(w).bias == (False, False)
    assert Network.from_weights(w, dtype="float32").w[2].dtype == np.float32
    again = Network.from_weights(net.w, net.b, activations="relu")
    assert np.array_equal(again.theta, net.theta)


A = np.ones


@pytest.mark.parametrize(
    ("w", "b", "sentence"),
    [
        (5, None, "w must hold one array of real numbers per layer; got 5. Pass a list of arrays."),
        ([[["a"]]], None, "w must hold one array of real numbers per layer; got [[['a']]]. Pass a list of arrays."),
        ([[[1, 2], [3]]], None, "w must hold one array of real numbers per layer; got [[[1, 2], [3]]]. Pass a list"),
        ([[[1j]]], None, "w must hold one array of real numbers per layer; got [[[1j]]]. Pass a list of arrays."),
        (
            [],
            None,
            "w must hold one array (nodes of i, nodes of i-1) per layer; got shapes []. "
            "Pass a list with the arrays of layers 1 to L.",
        ),
        (A((2, 3)), None, "w must hold one array (nodes of i, nodes of i-1) per layer; got shapes [(3,), (3,)]. Pass"),
        (
            [A((2, 3)), None],
            None,
            "w must hold one array (nodes of i, nodes of i-1) per layer; got shapes [(2, 3), None]",
        ),
        (
            [A((2, 3)), A((4, 3))],
            None,
            "w[2] must have shape (nodes of layer 2, nodes of layer 1) = (4, 2); got (4, 3). Check sizes.",
        ),
        ([A((2, 3))], [A(3)], "b[1] must have shape (nodes of layer 1,) = (2,); got (3,). Check sizes."),
        ([A((2, 3))], [A(2), A(2)], "b must hold one array or None per layer, 1 of them; got 2. Pass as many as w."),
        ([A((2, 3))], 7, "b must hold one array of real numbers per layer; got 7. Pass a list of arrays."),
        ([A((2, 0))], None, "sizes must be two or more whole numbers from 1 up, inputs first; got [0, 2]. "),
    ],
)
def test_what_from_weights_refuses(w, b, sentence):
    """Weights and biases that do not make a network are refused in one sentence."""
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        Network.from_weights(w, b)


NAMES = ", ".join(ACTIVATIONS)
SIZES = "sizes must be two or more whole numbers from 1 up, inputs first; got {}. "
MISTAKES = [
    *(({"sizes": given}, SIZES.format(repr(given)) + "For 4 inputs, 8 hidden nodes and 2 outputs pass [4, 8, 2].")
      for given in (5, "abc", None, [3], [], [3, 0], [3, -1], [3, 2.5], [3, "2"], [[3, 2]], [3, None])),
    ({"activations": "rely"}, f"activation must be one of {NAMES}; got 'rely'. Did you mean 'relu'?"),
    *(({"activations": given}, f"activation must be one of {NAMES}; got {said}. Or pass an Activation of your own.")
      for given, said in (
          ([None, "identity"], "None"), ([[7], "identity"], "[7]"), (5, "5"), ("", "''"),
          (np.tanh, "<ufunc 'tanh'>"), (b"tanh", "116"), ([{}, "identity"], "{}"),
      )),
    *(({"activations": given}, "activations must name one activation for each of the layers 1 to 2; got "
       f"{len(given)}. Pass one name alone to use it for every hidden layer.")
      for given in ([], ["tanh"], ["tanh"] * 3)),
    *(({"activations": given}, "activations must have softmax in the output layer only; got it in a hidden one. "
       "Choose another.") for given in ("softmax", ["softmax", "identity"])),
    ({"sizes": [3, 4, 1], "activations": ["tanh", "softmax"]},
     "sizes must end with two or more outputs for softmax; got 1. Use 'logistic' for one output."),
    ({"activations": ["tanh", "tanh"], "objective": "cross_entropy"},
     "activations must end with 'logistic' or 'softmax' for objective 'cross_entropy'; got 'tanh'. "
     "Choose one of them, or objective 'sse'."),
    ({"activations": ["tanh", "identity"], "objective": "poisson"},
     "activations must end with 'exp' or 'softplus' for objective 'poisson'; got 'identity'. "
     "Choose one of them, or objective 'sse'."),
    ({"objective": "sse2"},
     "objective must be one of sse, cross_entropy, poisson, huber, absolute; got 'sse2'. Did you mean 'sse'?"),
    *(({"objective": given}, "objective must be one of sse, cross_entropy, poisson, huber, absolute; got "
       f"{given!r}. Or pass an Objective of your own.") for given in (None, 5, [7], {})),
    *(({"bias": given}, "bias must be True, False, or one of them for each of the 2 layers; got "
       f"{given!r}. Correct it.")
      for given in (None, 5, "yes", [True], [True] * 3, [1, 0], [True, None])),
    *(({name: given}, f"{name} must be a finite number from 0 up; got {given!r}. Use 0 for no penalty.")
      for name in ("l1", "l2") for given in (-1, "a", None, float("nan"), float("inf"), [0.1])),
    *(({"penalize_bias": given}, f"penalize_bias must be True or False; got {given!r}. Choose one of them.")
      for given in ("no", None, 1)),
    *(({"seed": given}, f"seed must be a whole number from 0 up; got {given!r}. The same seed gives the same start.")
      for given in (-1, 1.5, "a", None, [1, 2])),
    *(({"dtype": given}, f"dtype must be 'float32' or 'float64'; got {given!r}. Use float64 unless memory is short.")
      for given in ("float16", "int", "foo", "complex128", ">f4", 7)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "sentence"), MISTAKES, ids=[f"{n}-{next(iter(given))}" for n, (given, _) in enumerate(MISTAKES)]
)
def test_what_a_network_cannot_be(given, sentence):
    """Every wrong argument of Network gives one sentence: which, what it must be, what came, and what to do."""
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        Network(**{"sizes": [3, 4, 2], **given})


def test_replace_and_astype_refuse():
    """Another θ must have the length of this one, and another type must be a floating-point one."""
    sentence = "theta must have shape (26,); got (3,). It holds w[1], b[1], w[2] …, row by row."
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        small().replace(np.zeros(3))
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        small().theta = np.zeros(3)
    with pytest.raises(ValueError, match=r"^dtype must be 'float32' or 'float64'; got 'int32'\. "):
        small().astype("int32")


# --- the doors of the page -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (np.ones(3), "inputs must have shape (patterns, 3); got (3,). Pass inputs[None, :] for one pattern."),
        (np.ones((3, 7)), "inputs must have shape (patterns, 3); got (3, 7). Pass inputs.T if rows and columns are"),
        (np.ones((5, 2)), "inputs must have shape (patterns, 3); got (5, 2). The network is [3, 4, 2]."),
        (np.ones((2, 2, 3)), "inputs must have shape (patterns, 3); got (2, 2, 3). The network is [3, 4, 2]."),
        (
            [["a", "b", "c"]],
            "inputs must be numbers in a table of rows of equal length; got list of <U1. Turn them into",
        ),
        ([[1, 2, 3], [4]], "inputs must be numbers in a table of rows of equal length; got a ragged or mixed list. "),
        ([[1, 2, {}]], "inputs must be numbers in a table of rows of equal length; got list of object. "),
    ],
)
def test_inputs_of_the_wrong_kind(inputs, sentence):
    """Inputs that are no table of numbers with a column per node of layer 0 are refused in one sentence."""
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        forward(small(), inputs)


def test_targets_and_weights_of_the_wrong_kind():
    """So are targets and weights of patterns; a column for one output is asked for by name."""
    net = Network([3, 1])
    trace = forward(net, np.ones((5, 3)))
    with pytest.raises(
        ValueError, match=r"^targets must have shape \(patterns, 1\); got \(5,\)\. Pass targets\[:, None\]\.$"
    ):
        error_terms(net, trace, np.ones(5))
    with pytest.raises(ValueError, match=r"^targets must have a row for each of the 5 patterns; got 4 rows\. Pass"):
        error_terms(net, trace, np.ones((4, 1)))
    e = error_terms(net, trace, np.ones((5, 1)))
    for weights, shape in (([1, 2], "(2,)"), (np.ones((5, 1)), "(5, 1)")):
        sentence = f"weights must have shape (patterns,) = (5,); got {shape}. Pass one weight a pattern."
        with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
            gradient(net, trace, e, weights)


# --- the random start ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        *((name, lambda before, nodes: 2 / (before + nodes)) for name in ("identity", "logistic", "tanh", "softsign")),
        *((name, lambda before, nodes: 2 / (before + nodes)) for name in ("sine", "gaussian", "exp")),
        *(
            (name, lambda before, nodes: 2 / before)
            for name in ("relu", "leaky_relu", "elu", "softplus", "gelu", "silu")
        ),
        ("selu", lambda before, nodes: 1 / before),
    ],
)
def test_start_has_the_variance_that_fits(name, variance):
    """Weights start with Glorot's variance, He's for the rectifiers, LeCun's for selu; biases start at 0.

    Of N = 40,000 normal weights the variance has a standard error of sqrt(2/N) of itself, the mean one of sd/sqrt(N)
    and the kurtosis, which is 3, one of sqrt(24/N); five times that is allowed, which one seed in a million exceeds.
    """
    net = Network([100, 400, 1], name, seed=3)
    w, expected = net.w[1].ravel(), variance(100, 400)
    assert w.var() == pytest.approx(expected, rel=5 * (2 / w.size) ** 0.5)
    assert abs(w.mean()) <= 5 * (expected / w.size) ** 0.5
    assert ((w / w.std()) ** 4).mean() == pytest.approx(3, abs=5 * (24 / w.size) ** 0.5)
    assert not net.b[1].any()
    assert not net.b[2].any()


def test_same_seed_same_start():
    """The same seed gives the same start, another one another; no two layers share their numbers."""
    assert np.array_equal(small(seed=4).theta, small(seed=4).theta)
    assert np.array_equal(small(seed=4).theta, small(seed=np.int64(4)).theta)
    assert not np.array_equal(small(seed=4).theta, small(seed=5).theta)
    square = Network([3, 3, 3], bias=False)
    assert len(set(np.abs(square.theta))) == 18


def test_float32_start_is_the_rounded_one():
    """In float32 the start is that of float64, rounded."""
    assert np.array_equal(small(dtype="float32").theta, small().theta.astype(np.float32))
    assert small(dtype=np.float32).dtype == np.float32


def test_start_is_as_it_was():
    """The start of seed 0 is written down here: a change of it would change everybody's results."""
    expected = [0.0889, -0.0934, 0.4528, 0.0742, 0, 0, -0.4374, 0.2952, 0]
    assert Network([2, 2, 1]).theta.round(4).tolist() == expected


# --- copies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "copied",
    [
        Network.copy,
        copy.deepcopy,
        lambda net: pickle.loads(pickle.dumps(net)),
        lambda net: net.replace(net.theta.copy()),
        lambda net: net.astype("float64"),
    ],
    ids=["copy", "deepcopy", "pickle", "replace", "astype"],
)
def test_copies_have_a_theta_of_their_own(copied):
    """A copy has the same numbers and architecture; its w and b are slices of its own θ and no longer of the first."""
    net = small(activations="gelu", l1=0.1, bias=[True, False], penalize_bias=True)
    net.w[1][0, 0] = 3.0
    there = copied(net)
    assert repr(there) == repr(net)
    assert (there.penalize_bias, there.bias, there.f, there.objective) == (True, (True, False), net.f, net.objective)
    assert np.array_equal(there.theta, net.theta)
    there.w[1][0, 0] = 5.0
    there.b[1] = np.arange(4.0)
    assert there.theta[[0, 13, 14, 15]].tolist() == [5, 1, 2, 3]
    assert net.theta[0] == 3
    assert np.array_equal(forward(there, np.ones((1, 3))).x[1][0], there.w[1].sum(axis=1) + np.arange(4))


def test_replace_shares_theta():
    """replace does not copy θ, so that a search for weights need not, and without_penalty shares it too."""
    net, theta = small(l2=0.3), np.zeros(26)
    there = net.replace(theta)
    there.w[1][0, 0] = 2
    assert theta[0] == 2
    assert net.theta[0] != 2
    bare = net.without_penalty()
    assert (bare.l1, bare.l2, net.l2) == (0, 0, 0.3)
    assert bare.theta is net.theta


def test_networks_with_ones_own_rows_travel():
    """A network with an activation or objective of one's own is copied and pickled with it."""
    net = small(
        activations=[Activation("square", square, twice), "identity"], objective=Objective("own", loss, residual)
    )
    for there in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net), net.copy()):
        inputs, t = np.ones((1, 3)), np.zeros((1, 2))
        trace, trace_there = forward(net, inputs), forward(there, inputs)
        assert np.array_equal(trace.y[-1], trace_there.y[-1])
        assert np.array_equal(error_terms(net, trace, t)[1], error_terms(there, trace_there, t)[1])


def square(x):
    """One's own activation."""
    return x * x


def twice(x):
    """Its derivative."""
    return 2 * x


def loss(t, y):
    """One's own loss."""
    return (t - y) ** 2


def residual(t, y):
    """Its residual."""
    return 2 * (t - y)


def test_error_terms_travel():
    """Error terms are a tuple with known; copies and pickles keep both."""
    net = small()
    t = np.array([[1.0, 2.0], [np.nan, np.nan]])
    e = error_terms(net, forward(net, np.ones((2, 3))), t)
    for there in (pickle.loads(pickle.dumps(e)), copy.deepcopy(e), copy.copy(e)):
        assert isinstance(there, ErrorTerms)
        assert there[0] is None
        assert np.array_equal(there[1], e[1])
        assert there.known.tolist() == [1, 0]


def test_unpickled_network_is_a_pytree():
    """A network from a pickle, as a worker process gets it, goes into jax.jit like any other."""
    program = """
import pickle, sys
net = pickle.loads(sys.stdin.buffer.read())
import jax
net = pickle.loads(pickle.dumps(net))
assert [leaf.shape for leaf in jax.tree.leaves(net)] == [(26,)]
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(small()), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()


# --- as data ---------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_spec_round_trip(data):
    """to_spec is plain data that JSON keeps, and from_spec makes the same network of it."""
    depth = data.draw(st.integers(1, 4))
    net = Network(
        data.draw(st.lists(st.integers(1, 5), min_size=depth + 1, max_size=depth + 1)),
        data.draw(st.lists(st.sampled_from(["tanh", "gelu", "relu"]), min_size=depth, max_size=depth)),
        data.draw(st.sampled_from(["sse", "huber", "absolute"])),
        bias=data.draw(st.lists(st.booleans(), min_size=depth, max_size=depth)),
        dtype=data.draw(st.sampled_from(["float32", "float64"])),
        l1=data.draw(st.sampled_from([0.0, 0.1])),
        l2=data.draw(st.floats(0, 1e300)),
        penalize_bias=data.draw(st.booleans()),
    )
    spec = json.loads(json.dumps(net.to_spec()))
    there = Network.from_spec(spec, net.theta)
    assert there.to_spec() == spec
    assert repr(there) == repr(net)
    assert (there.f, there.objective, there.dtype) == (net.f, net.objective, net.dtype)
    assert np.array_equal(there.theta, net.theta)


def test_spec_holds_data_only():
    """A row of one's own cannot be written to a file, and the message says what to keep instead."""
    for own, what in (
        (
            small(activations=[Activation("square", square, twice), "identity"]),
            "activation must be one of Chainrule's own",
        ),
        (
            small(objective=Objective("own", loss, residual)),
            "objective must be one of Chainrule's own to be saved; got 'own'",
        ),
    ):
        with pytest.raises(ValueError, match=f"^{what}.*A model file holds data, never code: keep net.theta"):
            own.to_spec()


def spoilt(**changes):
    """A spec of [3, 4, 2] with something else in it."""
    return {**small().to_spec(), **changes}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            spoilt(seed=0),
            "spec must hold sizes, activations, objective, bias, l1, l2, penalize_bias; got sizes, activations,",
        ),
        (
            {k: v for k, v in spoilt().items() if k != "bias"},
            "spec must hold sizes, activations, objective, bias, l1, l2,",
        ),
        (
            {},
            "spec must hold sizes, activations, objective, bias, l1, l2, penalize_bias; got . Take it from to_spec().",
        ),
        ([], "spec must hold sizes, activations, objective, bias, l1, l2, penalize_bias; got list. Take it from"),
        (None, "spec must hold sizes, activations, objective, bias, l1, l2, penalize_bias; got NoneType. Take it"),
        (spoilt(sizes=[3, 4]), "activations must name one activation for each of the layers 1 to 1; got 2."),
        (
            spoilt(sizes=[3, 4, 2.0]),
            "sizes must be two or more whole numbers from 1 up, inputs first; got [3, 4, 2.0].",
        ),
        (spoilt(sizes="abc"), "sizes must be two or more whole numbers"),
        (spoilt(sizes=[3, 4, 3]), "theta must have shape (31,); got (26,)."),
        (spoilt(sizes=[2**62, 2**62, 2]), "sizes must give a network of at most "),
        (spoilt(sizes=[1] * 100_000), "activations must name one activation for each of the layers 1 to 99999; got 2."),
        (spoilt(activations=["tanh", "__import__('os')"]), "activation must be one of identity, "),
        (spoilt(activations=["tanh", 3]), "activation must be one of identity, "),
        (spoilt(activations={"a": 1, "b": 2}), "activation must be one of identity, "),
        (spoilt(objective="poisson"), "activations must end with 'exp' or 'softplus' for objective 'poisson'; got"),
        (spoilt(objective=None), "objective must be one of sse, "),
        (spoilt(bias=[1, 0]), "bias must be True, False, or one of them for each of the 2 layers; got [1, 0]."),
        (spoilt(bias=None), "bias must be True, False, or one of them for each of the 2 layers; got None."),
        (spoilt(l2=float("nan")), "l2 must be a finite number from 0 up; got nan."),
        (spoilt(l1="0"), "l1 must be a finite number from 0 up; got '0'."),
        (spoilt(l1=10**400), "l1 must be a finite number from 0 up; got 1000"),
        (spoilt(penalize_bias="no"), "penalize_bias must be True or False; got 'no'."),
    ],
)
def test_hostile_specs(spec, sentence):
    """A spec that says something impossible is refused in one sentence, at once, whatever its sizes promise."""
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        Network.from_spec(spec, small().theta)


@pytest.mark.parametrize(
    "theta", [np.zeros(26, int), np.zeros(26, complex), np.zeros(26, ">f8"), np.zeros(26, "S8"), np.zeros(26, object)]
)
def test_hostile_theta(theta):
    """θ of a spec is float32 or float64, or it is refused."""
    with pytest.raises(ValueError, match=r"^dtype must be 'float32' or 'float64'; got "):
        Network.from_spec(small().to_spec(), theta)
