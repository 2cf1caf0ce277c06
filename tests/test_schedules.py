"""Claim: a schedule sets the learning rate of every update, as optax does, from the run so far and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from chainrule import Network, forward, train
from chainrule.training.descent import RULES, Rule
from chainrule.training.history import History
from chainrule.training.schedules import SCHEDULES, Schedule, schedule

pytestmark = pytest.mark.usefixtures("on_the_page")


EPS = float(np.finfo(np.float64).eps)
UPDATES, EPOCHS, η = 7, 12, 0.03


def rates(chosen, errors=(), epochs=EPOCHS, validation=()):
    """The learning rate of every update of a run whose running E goes like this."""
    errors = [1.0] * epochs if not len(errors) else errors
    histories = (History(running=[*errors[:n]], validation=[*validation[:n]]) for n in range(epochs))
    return np.concatenate([chosen.rates(η, history, UPDATES, epochs) for history in histories])


def of_optax(function, epochs=EPOCHS):
    """The same by optax, update by update."""
    return np.array([float(function(n)) for n in range(UPDATES * epochs)])


def learnable(patterns=23):
    """A network near the one that made the targets; its inputs and targets."""
    random = np.random.default_rng(5)
    teacher = Network([3, 5, 2], seed=4)
    inputs = random.normal(size=(patterns, 3))
    start = teacher.replace(teacher.theta + random.normal(0, 0.05, teacher.n_parameters))
    return start, inputs, forward(teacher, inputs).y[-1]


# ------------------------------------------------------------------------------------------------------- against optax

START = η / (3 * UPDATES + 1)  # one warm-up of 3 epochs rises from here in equal steps
PAIRS = {
    "constant": (schedule("constant"), lambda n: η),
    "step": (
        schedule("step", every=4, factor=0.3),
        optax.exponential_decay(η, 4 * UPDATES, 0.3, staircase=True),
    ),
    "step, usual": (schedule("step"), optax.piecewise_constant_schedule(η, {10 * UPDATES: 0.5})),
    "cosine": (schedule("cosine"), optax.cosine_decay_schedule(η, EPOCHS * UPDATES)),
    "cosine to a tenth": (schedule("cosine", least=0.1), optax.cosine_decay_schedule(η, EPOCHS * UPDATES, 0.1)),
    "warm-up": (
        schedule("constant", warm_up=3),
        optax.warmup_constant_schedule(START, η, 3 * UPDATES),
    ),
    "warm-up, then cosine": (
        schedule("cosine", warm_up=3, least=0.1),
        optax.warmup_cosine_decay_schedule(START, η, 3 * UPDATES, EPOCHS * UPDATES, 0.1 * η),
    ),
    "warm-up, then steps": (
        schedule("step", warm_up=3, every=2),
        optax.join_schedules(
            [
                optax.linear_schedule(START, η, 3 * UPDATES),
                optax.exponential_decay(η, 2 * UPDATES, 0.5, staircase=True),
            ],
            [3 * UPDATES],
        ),
    ),
}


@pytest.mark.parametrize("which", PAIRS)
def test_optax(which):
    """The learning rate of each update is optax's within 20 ulps of η, half a dozen operations, where optax computes
    in float64; optax's warm-up starts where ours does, at its first step.
    """
    chosen, function = PAIRS[which]
    found, expected = rates(chosen), of_optax(function)
    assert found.shape == (EPOCHS * UPDATES,)
    assert np.abs(found - expected).max() <= 20 * EPS * η
    assert which == "constant" or len(set(found)) > 1


@pytest.mark.parametrize(("patience", "factor", "gain"), [(1, 0.5, 1e-4), (3, 0.3, 1e-4), (2, 0.5, 0.2)])
def test_plateau(patience, factor, gain):
    """Plateau's learning rate after each epoch is that of optax's reduce_on_plateau, for an E that goes up and down."""
    random = np.random.default_rng(0)
    errors = np.exp(-np.arange(40) / 8) + random.uniform(0, 0.3, 40)
    optimizer = optax.contrib.reduce_on_plateau(factor, patience, rtol=gain)
    state, scales, update = optimizer.init(jnp.zeros(1)), [1.0], jax.jit(optimizer.update)
    for E in errors[:-1]:
        _, state = update(jnp.zeros(1), state, value=float(E))
        scales.append(float(state.scale))
    found = rates(schedule("plateau", patience=patience, factor=factor, gain=gain), errors, 40)
    assert np.allclose(found, η * np.repeat(scales, UPDATES), rtol=50 * EPS, atol=0)
    assert len(set(scales)) > 3


def test_plateau_looks_at_the_validation_E():
    """Where there are validation patterns their E counts, not the running one; epochs of the warm-up count for none."""
    falling, level = 0.5 ** np.arange(EPOCHS), np.ones(EPOCHS)
    chosen = schedule("plateau", patience=2)
    assert set(rates(chosen, level, validation=falling)) == {η}
    halved = rates(chosen, falling, validation=level)[::UPDATES]
    assert halved.tolist() == [η * 0.5 ** max(0, (n - 1) // 2) for n in range(EPOCHS)]
    late = rates(schedule("plateau", patience=2, warm_up=4), level)[::UPDATES]
    assert late[4:].tolist() == [η * 0.5 ** max(0, (n - 1) // 2) for n in range(EPOCHS - 4)]


# --------------------------------------------------------------------------------------------------------- in a run


def watched():
    """Plain descent, and the list of the learning rates that it was given."""
    seen = []

    def formula(theta, g, slots, rate, n):
        seen.append(rate)
        return theta - rate * g, slots

    return Rule("watched", formula), seen


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_update_has_its_learning_rate(name):
    """train gives the rule the schedule's learning rate in each update, and the history keeps the last of each epoch;
    a run that begins where another stopped, with its history, would go on alike.
    """
    start, inputs, targets = learnable()
    own, seen = watched()
    chosen = schedule(name, warm_up=2, **({"patience": 1, "gain": 0.5} if name == "plateau" else {}))
    _, history = train(start, inputs, targets, own, 0.05, 8, 4, schedule=chosen)
    expected = []
    for n in range(8):
        expected += chosen.rates(0.05, History(running=history.running[:n]), 6, 8).tolist()
    assert seen == expected
    assert history.learning_rates == expected[5::6]
    assert len(set(expected)) > 12


def test_constant_is_the_default():
    """Without a schedule, or with the constant one, every update has η itself."""
    start, inputs, targets = learnable()
    plain, history = train(start, inputs, targets, "adam", 0.01)
    assert np.array_equal(plain.theta, train(start, inputs, targets, "adam", 0.01, schedule="constant")[0].theta)
    assert history.learning_rates == [0.01] * 10
    assert train(start, inputs, targets, "lbfgs")[1].learning_rates == []


def test_plateau_by_the_validation_E_of_a_run():
    """In a run whose validation E rises from the start, plateau halves every so many epochs."""
    start, inputs, targets = learnable()
    held_out = inputs, forward(start, inputs).y[-1]
    run = {"schedule": schedule("plateau", patience=2), "validation": held_out}
    _, history = train(start, inputs, targets, learning_rate=0.01, epochs=7, **run)
    assert (np.diff(history.validation) > 0).all()
    assert history.learning_rates == [0.01, 0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025]


def test_a_schedule_of_your_own():
    """A schedule of a user's own is one function, and warms up as the others do."""
    own = Schedule("own", lambda t, T, errors, *, power: (1 - t / T) ** power, {"power": 2.0})
    assert np.abs(rates(own) - η * (1 - np.arange(84) / 84) ** 2).max() <= 10 * EPS * η
    assert schedule(own, power=-1, warm_up=2) == Schedule("own", own.formula, {"power": -1.0}, 2.0)
    assert rates(schedule(own, warm_up=2))[14] == η


# ----------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"schedule": "cosin"},
            "schedule must be one of constant, step, cosine, plateau; got 'cosin'. Did you mean 'cosine'?",
        ),
        ({"schedule": 0.5}, "schedule must be one of constant, step, cosine, plateau; got 0.5. Choose one of them."),
        (
            {"schedule": "step", "rule": "lbfgs"},
            "schedule must be 'constant' for rule 'lbfgs', which chooses its own steps; got 'step'. Leave it out.",
        ),
        (
            {"schedule": schedule("constant", warm_up=1), "rule": "rprop"},
            "schedule must be 'constant' for rule 'rprop', which chooses its own steps; got 'constant' with a warm-up. "
            "Leave it out.",
        ),
    ],
)
def test_train_refuses(options, sentence):
    """A schedule that does not exist, or that the rule would not heed, is refused in one sentence."""
    with pytest.raises(ValueError, match=" must ") as refused:
        train(*learnable(), **options)
    assert str(refused.value) == sentence
    assert RULES["rprop"].initial


@pytest.mark.parametrize(
    ("name", "constants", "sentence"),
    [
        (
            "step",
            {"least": 0},
            "schedule 'step' must be given constants that it has, every, factor, warm_up; got least. Leave them out.",
        ),
        ("step", {"every": 0}, "every must be a number above 0; got 0. Correct it."),
        ("plateau", {"patience": -1}, "patience must be a number above 0; got -1. Correct it."),
        ("cosine", {"warm_up": -1}, "warm_up must be a number from 0 up; got -1. Correct it."),
        ("cosine", {"warm_up": np.nan}, "warm_up must be a finite number; got nan. Leave it out for 0."),
    ],
)
def test_constants_refused(name, constants, sentence):
    """Constants that a schedule does not have, or cannot be, are refused in one sentence."""
    with pytest.raises(ValueError, match=" must ") as refused:
        schedule(name, **constants)
    assert str(refused.value) == sentence
