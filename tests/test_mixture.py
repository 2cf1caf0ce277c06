"""Claim: what several networks say together, and how sure they are, is what drawing weights and noise would give."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import ndtr

from chainrule import Network, engines, forward
from chainrule.mixture import Member, Mixture
from chainrule.training.second_order import bayesian, starts

EPS = float(np.finfo(np.float64).eps)


def mixture(sizes=(3, 4, 2), members=3, combine="mean", activations=None):
    """Networks at random, each with a noise and a covariance of its own."""
    random = np.random.default_rng(0)
    made = []
    for n in range(members):
        net = Network(sizes, activations, seed=n)
        root = np.tril(random.normal(0, 0.05, (net.n_parameters, net.n_parameters))) + 0.1 * np.eye(net.n_parameters)
        made.append(Member(net, random.uniform(0.01, 0.2, sizes[-1]), root))
    return Mixture(tuple(made), combine)


INPUTS = np.random.default_rng(1).normal(size=(6, 3))


def drawn(of, inputs, count):
    """What it says of each pattern, drawn: a member, weights, then noise; (draws, patterns, outputs)."""
    random = np.random.default_rng(2)
    draws = []
    for one in of.members:
        θ = one.network.theta + random.normal(size=(count, one.network.n_parameters)) @ one.whitening
        y = np.array([forward(one.network.replace(weights), inputs).y[-1] for weights in θ])
        draws.append(y + np.sqrt(one.noise) * random.normal(size=y.shape))
    return np.concatenate(draws)


# ------------------------------------------------------------------------------------------------------ how sure it is


def test_quantiles_and_deviations_are_those_of_drawn_weights():
    """Of linear networks, whose outputs are normal where their weights are, quantiles and standard deviation are those
    of 30,000 draws of member, weights and noise. Such a quantile is off by 0.01 of a standard deviation or two: 0.05.
    """
    of, q = mixture((3, 2), activations="identity"), [0.05, 0.5, 0.9]
    draws, deviation = drawn(of, INPUTS, 10_000), of.std(INPUTS)
    assert deviation == pytest.approx(draws.std(axis=0), rel=0.03)
    found = of.quantiles(INPUTS, q)
    assert found.shape == (6, 2, 3)
    assert (np.abs(found - np.moveaxis(np.quantile(draws, q, axis=0), 0, -1)) < 0.05 * deviation[..., None]).all()
    assert of.predict(INPUTS) == pytest.approx(draws.mean(axis=0), abs=0.03 * deviation.max())


def test_the_weights_count():
    """The twin: without the covariance of the weights, the standard deviation is another than that of the draws."""
    of = mixture((3, 2), activations="identity")
    known = Mixture(tuple(Member(one.network, one.noise) for one in of.members))
    assert (known.std(INPUTS) < 0.9 * of.std(INPUTS)).any()


def test_the_variance_of_a_member():
    """It is the noise and, of each output, J A⁻¹ Jᵀ, by differences of the outputs: to 1e-6 of the oracle."""
    of = mixture()
    for one in of.members:
        net, h = one.network, 1e-6

        def outputs(θ, net=net):
            return forward(net.replace(θ), INPUTS).y[-1]

        steps = h * np.eye(net.n_parameters)
        J = np.array([(outputs(net.theta + step) - outputs(net.theta - step)) / (2 * h) for step in steps])
        A_inverse = one.whitening.T @ one.whitening
        assert one.variance(INPUTS) == pytest.approx(one.noise + np.einsum("npo,nm,mpo->po", J, A_inverse, J), rel=1e-6)
        assert np.array_equal(Member(net, one.noise).variance(INPUTS), np.tile(one.noise, (6, 1)))


def test_blocks_change_nothing(monkeypatch):
    """However few patterns are taken at once, the variance is the same but for rounding."""
    of = mixture()
    whole = of.std(INPUTS)
    for numbers in (1, 200):
        monkeypatch.setattr("chainrule.mixture.BLOCK", numbers)
        assert of.std(INPUTS) == pytest.approx(whole, rel=8 * EPS)


def test_sparse_inputs():
    """Sparse inputs are answered as the same inputs written out are, to rounding."""
    of = mixture()
    inputs = np.where(INPUTS > 0, INPUTS, 0.0)
    source = engines.source(of.members[0].network, csr_array(inputs), np.zeros((6, 2)))
    assert of.predict(source.inputs) == pytest.approx(of.predict(inputs), rel=1e-12)
    assert of.std(source.inputs) == pytest.approx(of.std(inputs), rel=1e-12)


def test_quantiles_are_where_the_distribution_says():
    """The share of the mixture below a quantile q is q, to 1e-12, also far in the tails and where the members are far
    from one another; quantiles rise with q, and of one member they are those of the normal distribution.
    """
    of, q = mixture(), np.array([1e-9, 0.001, 0.3, 0.5, 0.77, 0.999])
    for shift in (0.0, 50.0):
        first, *others = of.members
        far = first.network.copy()
        far.b[2] = far.b[2] + shift
        moved = Mixture((Member(far, first.noise, first.whitening), *others))
        means, deviations = moved.outputs(INPUTS), np.sqrt([one.variance(INPUTS) for one in moved.members])
        found = moved.quantiles(INPUTS, q)
        below = ndtr((found - means[..., None]) / deviations[..., None]).mean(axis=0)
        assert below == pytest.approx(np.broadcast_to(q, below.shape), abs=1e-12)
        assert (np.diff(found, axis=-1) > 0).all()
    alone = Mixture(of.members[:1])
    normal = alone.predict(INPUTS)[..., None] + alone.std(INPUTS)[..., None] * np.array([-1.6448536269514722, 0.0])
    assert alone.quantiles(INPUTS, [0.05, 0.5]) == pytest.approx(normal, abs=1e-12)


# ------------------------------------------------------------------------------------------------------------- density


def line(of, pattern, sides=4001):
    """Targets of one output, as far out as there is any density, and the density there."""
    y, deviation = of.outputs(pattern).ravel(), of.std(pattern).max()
    t = np.linspace(y.min() - 12 * deviation, y.max() + 12 * deviation, sides)
    return t, np.exp(of.log_density(np.repeat(pattern, sides, axis=0), t[:, None]))


def test_density_integrates_to_one_and_the_deviation_is_its_own():
    """The density of one output integrates to 1, its mean is the prediction and its standard deviation is what std
    says: matched to the first two moments of the mixture, not the mean of the members' deviations.

    The trapezoidal rule is exact to rounding for what is smooth and 0 at both ends.
    """
    of = mixture((3, 4, 1))
    for pattern in INPUTS[:3, None]:
        t, density = line(of, pattern)
        assert np.trapezoid(density, t) == pytest.approx(1, abs=1e-10)
        mean = np.trapezoid(density * t, t)
        assert mean == pytest.approx(of.predict(pattern)[0, 0], abs=1e-10)
        assert np.sqrt(np.trapezoid(density * (t - mean) ** 2, t)) == pytest.approx(of.std(pattern)[0, 0], rel=1e-9)
        of_members = np.sqrt([one.variance(pattern) for one in of.members])
        assert of.std(pattern)[0, 0] > 1.02 * of_members.mean()


def test_density_of_two_outputs():
    """The density of two outputs together integrates to 1, and is that of the mixture: a member that is right about
    one output counts more for the other, so it is not the product of the outputs' own.
    """
    of, pattern = mixture(), INPUTS[:1]
    centre, reach = of.predict(pattern)[0], 10 * of.std(pattern)[0]
    axes = [np.linspace(c - r, c + r, 301) for c, r in zip(centre, reach, strict=True)]
    t = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    joint = of.log_density(np.repeat(pattern, len(t), axis=0), t)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    assert np.exp(joint).sum() * cell == pytest.approx(1, abs=1e-9)
    nan = np.full(len(t), np.nan)
    alone = [
        of.log_density(np.repeat(pattern, len(t), axis=0), np.stack(pair, axis=1))
        for pair in ((t[:, 0], nan), (nan, t[:, 1]))
    ]
    assert np.abs(joint - sum(alone)).max() > 0.1


def test_missing_targets_take_no_part():
    """With one target missing the density is that of the other, integrated over the missing one; of none it is 1."""
    of, pattern = mixture(), INPUTS[:1]
    nan = np.nan
    [of_one] = of.log_density(pattern, [[0.3, nan]])
    t = np.linspace(-30, 30, 20_001)
    both = np.exp(of.log_density(np.repeat(pattern, len(t), axis=0), np.stack([np.full(len(t), 0.3), t], axis=1)))
    assert np.exp(of_one) == pytest.approx(np.trapezoid(both, t), rel=1e-10)
    assert of.log_density(pattern, [[nan, nan]]) == pytest.approx([0.0], abs=4 * EPS)


def test_density_far_away_is_not_lost():
    """A target a thousand deviations away has a logarithm, not minus infinity."""
    of = mixture((3, 4, 1))
    far = of.log_density(INPUTS, of.predict(INPUTS) + 1000 * of.std(INPUTS))
    assert np.isfinite(far).all()
    assert (far < -1e4).all()


# ------------------------------------------------------------------------------------------------------------- combine


@pytest.mark.parametrize("members", [1, 2, 3, 4])
def test_mean_and_median(members):
    """What is predicted is mean or median of the members' outputs, output by output; density, deviation and quantiles
    are those of the mixture in either case.
    """
    mean, median = (mixture(members=members, combine=how) for how in ("mean", "median"))
    outputs = np.array([forward(one.network, INPUTS).y[-1] for one in mean.members])
    assert mean.predict(INPUTS) == pytest.approx(outputs.mean(axis=0), rel=1e-12)
    assert median.predict(INPUTS) == pytest.approx(np.median(outputs, axis=0), rel=1e-12)
    t = np.zeros((6, 2))
    assert np.array_equal(mean.log_density(INPUTS, t), median.log_density(INPUTS, t))
    assert np.array_equal(mean.std(INPUTS), median.std(INPUTS))
    assert np.array_equal(mean.quantiles(INPUTS, [0.1]), median.quantiles(INPUTS, [0.1]))


def test_one_wild_member_does_not_move_the_median():
    """A member that says 1e6 more than the others moves the mean by as much, divided by five, the median hardly."""
    of = mixture(members=5, combine="median")
    first, *others = of.members
    wild = first.network.copy()
    wild.b[2] = wild.b[2] + 1e6
    moved = Mixture((Member(wild, first.noise, first.whitening), *others), "median")
    assert np.abs(moved.predict(INPUTS) - of.predict(INPUTS)).max() < 3
    assert Mixture(moved.members).predict(INPUTS).min() > 1e5


# ------------------------------------------------------------------------------------------------------- on patterns


def curve(patterns, seed):
    """A curve in two inputs with noise of 0.3."""
    random = np.random.default_rng(seed)
    inputs = random.uniform(-2, 2, (patterns, 2))
    return inputs, np.sin(2 * inputs[:, :1]) + 0.5 * inputs[:, 1:] + 0.3 * random.normal(size=(patterns, 1))


def test_ninety_per_cent_of_new_targets_lie_within_their_interval():
    """Trained on 200 patterns with noise of 0.3, the 90 % interval of five networks holds 86 to 94 % of 4,000 others,
    and so does that of 50 % its share: what the networks do not know moves it by a few hundredths, chance by half a
    hundredth.
    """
    inputs, t = curve(200, 0)
    found = bayesian(starts(Network([2, 8, 8, 1]), 5, 0), inputs, t, epochs=60)
    of = Mixture(tuple(one.member for one in found))
    inputs, t = curve(4000, 1)
    low, quarter, three, high = of.quantiles(inputs, [0.05, 0.25, 0.75, 0.95])[:, 0].T
    assert 0.86 < np.mean((t[:, 0] > low) & (t[:, 0] < high)) < 0.94
    assert 0.45 < np.mean((t[:, 0] > quarter) & (t[:, 0] < three)) < 0.55
    assert of.std(inputs).mean() == pytest.approx(0.3, rel=0.2)
    assert of.log_density(inputs, t).mean() > -0.35  # of the true density: -log(0.3 √(2πe)) = -0.21


def test_it_is_less_sure_where_there_were_no_patterns():
    """Beyond the patterns it was trained on, the standard deviation is twice as large, and between them it is the
    noise, nearly.
    """
    inputs, t = curve(200, 0)
    found = bayesian(starts(Network([2, 8, 8, 1]), 5, 0), inputs, t, epochs=60)
    of = Mixture(tuple(one.member for one in found))
    [[inside], [outside]] = of.std(np.array([[0.0, 0.0], [6.0, -6.0]]))
    assert inside < 0.4
    assert outside > 2 * inside
