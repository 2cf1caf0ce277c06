"""Claim: sparse inputs train the network that the same table would train if it were written out, and never are."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from chainrule import Diverged, Network, error_terms, forward, gradient, jacobian, train
from chainrule.engines import reference, source
from chainrule.network import as_inputs
from chainrule.sparse import Centred

EPS = float(np.finfo(np.float64).eps)


def table(rows=60, columns=30, density=0.1, seed=0):
    """A sparse table of SciPy's, with a full column and an empty one."""
    random = np.random.default_rng(seed)
    dense = random.normal(size=(rows, columns)) * (random.random((rows, columns)) < density)
    dense[:, 3], dense[:, 4] = 3 + 0.3 * random.normal(size=rows), 0
    return sp.csr_array(dense)


def problem(dtype="float64"):
    """A network, a centred table and targets that the table explains in part."""
    random = np.random.default_rng(1)
    matrix = table().astype(dtype)
    centre = random.normal(size=30)
    centre[3] = 3
    inputs = Centred(matrix, centre)
    targets = np.tanh(inputs.toarray() @ random.normal(0, 0.3, size=(30, 2)))
    return Network([30, 6, 2], seed=2, dtype=dtype), inputs, targets


# ---------------------------------------------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_products(dtype):
    """Products with a dense matrix on either side are those of the dense table; each sum of 30 or 60 terms, and that
    of the centre apart, may be rounded once a term.
    """
    _, inputs, _ = problem(dtype)
    dense, eps = inputs.toarray(), float(np.finfo(dtype).eps)
    random = np.random.default_rng(2)
    right, left = random.normal(size=(30, 4)).astype(dtype), random.normal(size=(5, 60)).astype(dtype)
    size = np.abs(inputs.matrix.toarray()) + np.abs(inputs.centre)
    for found, expected, limit in (
        (inputs @ right, dense @ right, size @ np.abs(right)),
        (left @ inputs, left @ dense, np.abs(left) @ size),
    ):
        assert found.dtype == dtype
        assert (np.abs(found - expected) <= 2 * 60 * eps * limit).all()
    assert inputs.dtype == dtype
    assert (inputs.shape, inputs.ndim, len(inputs)) == ((60, 30), 2, 60)
    assert np.array_equal(inputs.largest(), np.abs(dense).max(axis=0))


@pytest.mark.parametrize(
    "rows", [slice(3, 20), slice(None, None, 2), np.array([5, 2, 2, 59]), np.arange(60) % 3 == 0], ids=str
)
def test_rows(rows):
    """Rows by slice, number or mask are the rows of the dense table, and stay sparse."""
    _, inputs, _ = problem()
    assert isinstance(inputs[rows], Centred)
    assert np.array_equal(inputs[rows].toarray(), inputs.toarray()[rows])
    assert np.array_equal(inputs[7], inputs.toarray()[7])


FORMS = {
    "csr_array": sp.csr_array,
    "csr_matrix": sp.csr_matrix,
    "csc_array": sp.csc_array,
    "coo_array": sp.coo_array,
    "lil_matrix": sp.lil_matrix,
    "integers": lambda matrix: sp.csr_array((matrix * 10).astype(int)),
    "entries twice": lambda matrix: sp.csr_array(
        (np.repeat(matrix.data, 2), np.repeat(matrix.indices, 2), 2 * matrix.indptr), matrix.shape
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form):
    """Every sparse form of SciPy's trains what its dense table trains, to 1e-12 of the weights: sums of 30 terms in
    another order, over 20 updates, are below 1e-13. The table that is given stays as it is.
    """
    net, _, targets = problem()
    given = FORMS[form](table())
    before, entries = given.toarray(), given.nnz
    found, history = train(net, given, targets, epochs=10, warn=False)
    expected, of_dense = train(net, before, targets, epochs=10, warn=False)
    assert np.abs(found.theta - expected.theta).max() <= 1e-12 * np.abs(expected.theta).max()
    assert np.allclose(history.running, of_dense.running, rtol=1e-12, atol=0)
    assert np.array_equal(given.toarray(), before)
    assert given.nnz == entries
    assert np.array_equal(as_inputs(net, given).largest(), np.abs(before).max(axis=0))


@pytest.mark.parametrize(("dtype", "limit"), [("float64", 1e-12), ("float32", 1e-4)])
@pytest.mark.parametrize("name", ["gradient_descent", "adam", "lbfgs"])
def test_centred(name, dtype, limit):
    """A table with a centre trains what its dense table trains, with weights of patterns, gaps and validation; 20
    updates by Adam, which divides by roots of small numbers, leave 1e-12 of the weights, or 1e-4 in float32, whose eps
    is 5e8 times larger.
    """
    net, inputs, targets = problem(dtype)
    targets[4, 1] = targets[9] = np.nan
    run = {"weights": np.arange(60) % 4, "batch_size": 7, "epochs": 3, "learning_rate": 0.02, "rule": name}
    run |= {"warn": False, "layer_rates": {2: 0} if name == "lbfgs" else {}}
    found, history = train(net, inputs, targets, validation=(inputs[:9], targets[:9]), **run)
    dense = inputs.toarray()
    expected, of_dense = train(net, dense, targets, validation=(dense[:9], targets[:9]), **run)
    assert found.dtype == dtype
    assert np.abs(found.theta - expected.theta).max() <= limit * np.abs(expected.theta).max()
    assert np.allclose(history.validation, of_dense.validation, rtol=10 * limit, atol=0)


def test_the_page():
    """The page takes sparse inputs as they are: its trace, gradient and Jacobian are those of the dense table, within
    an ulp for each of the 60 terms of a sum and of its centre.
    """
    net, inputs, targets = problem()
    sparse, dense = forward(net, inputs), forward(net, inputs.toarray())
    g, of_dense = (gradient(net, trace, error_terms(net, trace, targets)).theta for trace in (sparse, dense))
    assert isinstance(sparse.y[0], Centred)
    assert np.abs(g - of_dense).max() <= 500 * EPS * np.abs(of_dense).max()
    assert np.allclose(jacobian(net, sparse), jacobian(net, dense), rtol=0, atol=500 * EPS)
    assert np.allclose(reference.predict(net, inputs), dense.y[-1], rtol=0, atol=100 * EPS)
    assert np.allclose(reference.predict(net, sp.coo_array(inputs.matrix)), forward(net, inputs.matrix).y[-1])


def test_a_sparse_run_that_diverges():
    """Diverged names the largest input of a sparse table too."""
    _, inputs, targets = problem()
    net = Network([30, 2])
    inputs.matrix.data[inputs.matrix.indices == 3] *= 1e200
    with pytest.raises(Diverged) as caught:
        train(net, inputs, targets)
    assert caught.value.column == 3


# ----------------------------------------------------------------------------------------------------------- the memory


def test_memory():
    """A table of 2,000 x 50,000 with 1 entry in 10,000 trains within 60 MB; written out it would be 800. What remains
    is the network's 100,000 weights, a few times, and the entries.
    """
    random = np.random.default_rng(0)
    rows, columns = random.integers(0, 2000, 10_000), random.integers(0, 50_000, 10_000)
    inputs = sp.coo_array((random.normal(size=10_000), (rows, columns)), shape=(2000, 50_000))
    targets = random.normal(size=(2000, 1))
    net = Network([50_000, 2, 1])
    tracemalloc.start()
    train(net, inputs, targets, "adam", 0.001, epochs=1, batch_size=256, warn=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6


def test_nobody_pays_who_has_none():
    """Dense inputs load nothing of SciPy's sparse tables."""
    code = (
        "import sys, numpy as np; from chainrule import Network, forward; "
        "forward(Network([2, 1]), np.ones((3, 2))); print('scipy.sparse' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


# ---------------------------------------------------------------------------------------------------------- bad inputs


def spoiled(value, dtype="float64"):
    """A table with one entry, in row 2 and column 4."""
    return sp.csr_array((np.array([value], dtype=dtype), ([2], [4])), shape=(3, 5))


@pytest.mark.parametrize(
    ("net", "inputs", "sentence"),
    [
        (
            Network([5, 1]),
            spoiled(np.nan),
            "inputs must be finite; row 2, column 4 is nan. Drop the row or fill the gap first.",
        ),
        (
            Network([5, 1], dtype="float32"),
            spoiled(1e300),
            "inputs must be finite; row 2, column 4 is inf in float32. Drop the row or fill the gap first.",
        ),
        (
            Network([5, 1]),
            spoiled(1j, "complex128"),
            "inputs must be real numbers; got a sparse table of complex128. Turn them into numbers.",
        ),
        (
            Network([3, 1]),
            spoiled(1.0),
            "inputs must have shape (patterns, 3); got (3, 5). Pass inputs.T if rows and columns are swapped.",
        ),
        (
            Network([5, 1]),
            spoiled(1.0)[:2],
            "inputs and targets must have the same number of rows, one or more; got 2 and 3. "
            "Pass one row a pattern in both.",
        ),
    ],
    ids=["NaN", "too large", "complex", "transposed", "rows"],
)
def test_refused(net, inputs, sentence):
    """What is wrong with a sparse table is said as of a dense one."""
    with pytest.raises(ValueError, match=" must ") as refused:
        source(net, inputs, np.ones((3, 1)))
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("centre", "got"), [(np.ones(4), "(4,)"), (np.array([1, 2, 3, 4, np.inf]), "one that is not finite")]
)
def test_centre_is_checked(centre, got):
    """A centre that does not fit the table is refused."""
    with pytest.raises(ValueError, match=r"^centre must be") as refused:
        Centred(spoiled(1.0), centre)
    assert str(refused.value) == f"centre must be a finite number for each of the 5 columns; got {got}. Correct it."
