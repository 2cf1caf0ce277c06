"""Claim: threads change no bit of what the compiled engine computes, and sharing it, forking or interrupting it never
makes it hang, die, or give a wrong number.

What starts processes or sends signals runs in a process of its own, with a limit of time.
"""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from chainrule import Network, train, train_many
from chainrule.engines import cpu, source
from chainrule.engines.cpu import jobs, layout, pool
from chainrule.training.descent import RULES
from random_engines import ran, random_case

LIMIT = 120
"""Seconds after which a process counts as hanging; each takes a few on a quiet machine."""


def same(one, other):
    """Whether two dictionaries of numbers and arrays are equal bit for bit."""
    return all(np.asarray(one[name]).tobytes() == np.asarray(other[name]).tobytes() for name in one)


def toy(n=300, sizes=(8, 40, 3), dtype="float64", seed=0):
    """A network of some blocks of patterns, inputs, targets."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(n, sizes[0]))
    return Network(sizes, dtype=dtype, seed=seed), inputs, np.sin(inputs @ random.normal(size=(sizes[0], sizes[-1])))


HOW = {"rule": "adam", "learning_rate": 0.01, "epochs": 3, "batch_size": 100, "progress": False, "warn": False}


@pytest.fixture
def on_threads(monkeypatch):
    """Make every loop run on so many threads, however little it has to do; the parts that were handed out are noted."""
    handed = []
    part = pool._part
    monkeypatch.setattr(pool, "_part", lambda *given: (handed.append(given[3]), part(*given)))
    monkeypatch.setenv("CHAINRULE_THREADS", "8")

    def use(count):
        monkeypatch.setattr(pool.Pace, "count", lambda _: count)
        monkeypatch.setattr(pool, "threads_for", lambda *_: count)  # for whom there is room
        return handed

    return use


# ----------------------------------------------------------------------------------------------------------------- bits


@pytest.mark.parametrize("part", range(10))
def test_any_number_of_threads(part, on_threads):
    """On 200 random trainings 1, 2, 3, 4 and 8 threads give the same E, gradient, outputs and weights, bit for bit."""
    for seed in range(20 * part, 20 * part + 20):
        case = random_case(seed, patterns=200)
        on_threads(1).clear()
        alone = ran(cpu, case)
        assert not on_threads(1)
        for count in (2, 3, 4, 8):
            handed = on_threads(count)
            handed.clear()
            assert same(ran(cpu, case), alone), (count, str(case))
            assert set(handed) == set(range(1, count))


@pytest.mark.parametrize("batch_size", [150, 290])
def test_any_number_of_threads_in_wide_layers(batch_size, on_threads, monkeypatch):
    """The same where rows are copied for the update, and many go forward and back together, or fewer."""
    how = HOW | {"batch_size": batch_size}
    net, inputs, t = toy(300, (530, 520, 516), "float32")
    monkeypatch.setattr(pool.Pace, "count", lambda self: self.most)
    assert layout.block_of(net) == layout.LONG_BLOCK
    on_threads(1)
    alone, history = train(net, inputs, t, **how, engine="cpu")
    for count in (2, 3, 8):
        on_threads(count)
        found, other = train(net, inputs, t, **how, engine="cpu")
        assert np.array_equal(found.theta, alone.theta), count
        assert other.E == history.E
    monkeypatch.setattr(cpu, "block_of", lambda net: layout.BLOCK)
    fewer, _ = train(net, inputs, t, **how, engine="cpu")
    assert np.array_equal(fewer.theta, alone.theta)
    page, _ = train(net, inputs, t, **how, engine="reference")
    assert np.allclose(alone.theta, page.theta, rtol=0, atol=1e-4)  # Adam's first steps are 0.01 whatever the gradient


def test_threads_without_a_part(on_threads, monkeypatch):
    """Of 40 threads some find nothing that is left of the 33 panels that the layers have, and none of the update."""
    net, inputs, t = toy(100, (580, 520, 516), "float32")
    monkeypatch.setattr(pool.Pace, "count", lambda self: self.most)
    on_threads(1)
    alone, _ = train(net, inputs, t, **HOW | {"batch_size": 100}, engine="cpu")
    on_threads(40)
    found, _ = train(net, inputs, t, **HOW | {"batch_size": 100}, engine="cpu")
    assert np.array_equal(found.theta, alone.theta)


def test_threads_have_parts(on_threads, monkeypatch):
    """The twin: if one thread leaves out its part, the result is another."""
    net, inputs, t = toy()
    on_threads(1)
    found, _ = train(net, inputs, t, **HOW, engine="cpu")
    on_threads(3)
    together = pool._together

    def without(loop, job, reals, count, keep):
        job[jobs.PATTERNS] -= 50  # the last block of patterns
        return together(loop, job, reals, count, keep)

    monkeypatch.setattr(pool, "_together", without)
    other, _ = train(net, inputs, t, **HOW, engine="cpu")
    assert not np.array_equal(found.theta, other.theta)


def test_pace(monkeypatch):
    """It tries one thread and all, keeps to the faster, and looks again at the other now and then."""
    pace = pool.Pace(4)
    taken = []
    for _ in range(200):
        taken.append(pace.count())
        pace.took(taken[-1], 1.0 if taken[-1] == 1 else 3.0)
    assert taken[:4] == [4, 1, 4, 1]
    assert 2 <= taken[4:].count(4) <= 5
    assert pool.Pace(1).count() == 1
    monkeypatch.setenv("CHAINRULE_THREADS", "8")
    assert pool.threads_for(1e3, 99) == 1
    assert pool.threads_for(1e12, 99) == 8
    assert pool.threads_for(1e12, 3) == 3


@pytest.mark.parametrize("rule", ["gradient_descent", "adam", "rprop", "lbfgs"])
def test_many_at_once(rule):
    """Networks trained at once come out as each would alone, bit for bit, in the order given, with the same history."""
    _, inputs, t = toy(60)
    nets = [Network([8, nodes, 3], seed=nodes) for nodes in (5, 40, 1, 17, 33, 8)]
    each = [{"seed": n, "learning_rate": 0.002 * (n + 1)} for n in range(6)]
    how = {**HOW, "rule": rule, "batch_size": 7, "engine": "cpu"}
    together = train_many(nets, inputs, t, each=each, threads=4, **how)
    for net, own, (found, history) in zip(nets, each, together, strict=True):
        expected, alone = train(net, inputs, t, **{**how, **own})
        assert np.array_equal(found.theta, expected.theta)
        assert history.running == alone.running


# ----------------------------------------------------------------------------------------------- several Python threads


def at_once(calls, seconds=60):
    """The results of calls on a thread each."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return [one.result(seconds) for one in [threads.submit(call) for call in calls]]


@pytest.mark.parametrize("count", [1, 2])
def test_states_of_their_own(count, on_threads):
    """Six Python threads train six networks at once, each loop on one thread or two, and get what each gets alone."""
    on_threads(count)
    tables = [toy(seed=seed, dtype=("float64", "float32")[seed % 2]) for seed in range(6)]
    alone = [train(*table, **HOW, engine="cpu")[0].theta for table in tables]
    for _ in range(3):
        together = at_once([lambda table=table: train(*table, **HOW, engine="cpu")[0].theta for table in tables])
        assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))


@pytest.mark.parametrize("count", [1, 2])
def test_one_state(count, on_threads):
    """Four Python threads ask one state for E and its gradient at different θ, 50 times: each gets what it would get
    alone, and the state's own θ stays.
    """
    on_threads(count)
    net, inputs, t = toy()
    state = cpu.prepare(net, source(net, inputs, t, None, 100), RULES["lbfgs"])
    thetas = [net.theta * factor for factor in (0.5, 1.0, 1.5, 2.0)]
    alone = [cpu.value_and_gradient(state, theta) for theta in thetas]

    def ask(n):
        for _ in range(50):
            E, g = cpu.value_and_gradient(state, thetas[n])
            assert alone[n][0] == E
            assert np.array_equal(g, alone[n][1])

    at_once([lambda n=n: ask(n) for n in range(4)])
    assert np.array_equal(cpu.network(state).theta, net.theta)


@pytest.mark.parametrize("count", [1, 2])
def test_one_predictor(count, on_threads):
    """Eight Python threads predict by one Predictor, one pattern and many, and each gets its own outputs."""
    on_threads(count)
    net, inputs, _ = toy()
    predictor = cpu.Predictor(net)
    expected = predictor(inputs)

    def ask(n):
        for k in range(60):
            row = (37 * n + k) % len(inputs)
            assert np.array_equal(predictor(inputs[row]), expected[row])
            assert np.array_equal(predictor(inputs[row:]), expected[row:])

    at_once([lambda n=n: ask(n) for n in range(8)])


# --------------------------------------------------------------------------------------------------- called off, or not


class Stumbling:
    """A pool whose n-th part cannot be handed out."""

    def __init__(self, real, n, error):
        self.real, self.left, self.error = real, n, error

    def submit(self, *given):
        """Hand out a part, until it stumbles."""
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.real.submit(*given)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_interrupted_between_two_threads(n, on_threads, monkeypatch):
    """Ctrl-C between the start of two threads calls off those that wait for the rest: nothing has changed, none of them
    goes on waiting, and the next run is as if nothing had been.
    """
    on_threads(4)
    net, inputs, t = toy()
    expected, _ = train(net, inputs, t, **HOW, engine="cpu")
    patterns = source(net, inputs, t, None, 100)
    state = cpu.prepare(net, patterns, RULES["adam"])
    real = pool._threads(4)
    for run in (
        lambda: cpu.epoch(state, patterns, np.arange(300), np.full(3, 0.01)),
        lambda: cpu.value_and_gradient(state, net.theta * 2),
        lambda: cpu.error(state, patterns),
    ):
        monkeypatch.setattr(pool, "_threads", lambda count: Stumbling(real, n, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            run()
        monkeypatch.setattr(pool, "_threads", lambda count: real)
        assert [one.result(20) for one in [real.submit(int) for _ in range(8)]] == [0] * 8  # nobody waits in a loop
        assert np.array_equal(cpu.network(state).theta, net.theta)
    assert np.array_equal(train(net, inputs, t, **HOW, engine="cpu")[0].theta, expected.theta)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_no_more_threads(n, on_threads, monkeypatch):
    """Where the system gives no more threads one does all the work, and the bits are the same."""
    on_threads(4)
    net, inputs, t = toy()
    expected, _ = train(net, inputs, t, **HOW, engine="cpu")
    real = pool._threads(4)
    monkeypatch.setattr(pool, "_threads", lambda count: Stumbling(real, n, RuntimeError("can't start new thread")))
    found, _ = train(net, inputs, t, **HOW, engine="cpu")
    assert np.array_equal(found.theta, expected.theta)


@pytest.mark.parametrize("count", [2, 3, 5, 6, 7, 8])
def test_called_off(count):
    """Threads that come to a barrier that was called off touch nothing, however many there are."""
    net, inputs, t = toy()
    patterns = source(net, inputs, t, None, 100)
    state = cpu.prepare(net, patterns, RULES["gradient_descent"])
    run = cpu._Run(state, patterns)
    run.begin(state, np.arange(300), np.full(3, 0.1))
    barrier, theta = np.full(1, pool.CALLED_OFF), state.memory.theta.copy()
    run.job[[jobs.FIRST, jobs.LAST, jobs.THREADS, jobs.BARRIER]] = 0, 1, count, barrier.ctypes.data
    assert [run.loop(run.job, run.reals, me) for me in range(1, count)] == [0] * (count - 1)
    assert np.array_equal(state.memory.theta, theta)


def test_called_off_prediction(on_threads, monkeypatch):
    """A thread that comes to a prediction that Ctrl-C has ended touches nothing, and ends."""
    predictor, inputs = cpu.Predictor(Network([8, 300, 3], seed=0)), np.ones((2000, 8))
    on_threads(2)
    gate, ended = threading.Event(), threading.Event()
    part, loop = pool._part, predictor._loop

    def late(*given):
        gate.wait(LIMIT)
        part(*given)
        ended.set()

    monkeypatch.setattr(pool, "_part", late)
    memory = predictor._memory._arena

    def interrupted(job, reals, me=0):
        if me == 0:
            raise KeyboardInterrupt
        return loop(job, reals, me)

    monkeypatch.setattr(predictor, "_loop", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predictor.batch(inputs)
    before = memory.copy()
    gate.set()
    assert ended.wait(LIMIT)
    assert np.array_equal(memory, before)


def test_predictions_end_together(on_threads, monkeypatch):
    """A prediction is over when no thread works at it any more, so that Ctrl-C while the others are waited for leaves
    nobody behind who would write into the next one's room.
    """
    predictor, inputs = cpu.Predictor(Network([8, 300, 3], seed=0)), np.ones((2000, 8))
    on_threads(2)
    part, barriers = pool._part, []
    monkeypatch.setattr(pool, "_part", lambda *given: (barriers.append(given[4][1]), part(*given)))
    predictor.batch(inputs)
    (barrier,) = barriers
    assert barrier[:, 0].tolist()[: pool.MEETINGS] == [4, 2]  # two threads came to two meetings, which are over


def test_error_in_a_loop_is_not_swallowed(on_threads, monkeypatch):
    """The twin: what a loop itself raises is raised, not tried again on one thread."""
    on_threads(2)
    net, inputs, t = toy()
    state = cpu.prepare(net, source(net, inputs, t, None, 100), RULES["adam"])
    calls = []

    def broken(*given):
        calls.append(threading.get_ident())
        raise RuntimeError("broken")

    monkeypatch.setattr(cpu, "loaded", lambda name, dtype: broken)
    with pytest.raises(RuntimeError, match="broken"):
        cpu.error(state, state.source)
    assert calls.count(threading.get_ident()) == 1


# ----------------------------------------------------------------------------------------- processes, forks and signals

BEGIN = """
import json, multiprocessing, os, signal, sys, threading, time, warnings
import numpy as np
from chainrule import Network, engines, train, train_many
from chainrule.engines import cpu, source
from chainrule.engines.cpu import pool
from chainrule.training.descent import RULES
from chainrule.training.loop import Interrupted

warnings.simplefilter("ignore")  # Python's own, of forks and threads
pool.threads_for = lambda multiplications, blocks: max(1, min(2, blocks))
pool.Pace.count = lambda self: self.most

random = np.random.default_rng(0)
inputs = random.normal(size=(300, 8))
t = np.sin(inputs @ random.normal(size=(8, 3)))
net = Network([8, 40, 3], seed=1)
HOW = dict(rule="adam", learning_rate=0.01, epochs=3, batch_size=100, progress=False, warn=False, engine="cpu")

def work(_=0):
    "Train, predict, and E of all patterns: a number that stands for all the bits."
    found, history = train(net, inputs, t, **HOW)
    lbfgs, _ = train(net, inputs, t, **(HOW | {"rule": "lbfgs"}))
    bits = found.theta.tobytes() + cpu.predict(found, inputs).tobytes() + lbfgs.theta.tobytes()
    import hashlib
    return hashlib.sha256(bits).hexdigest()
"""


def process(tmp_path, program, limit=LIMIT, **environment):
    """What a program prints last, as JSON; it must end in time, by itself, and say nothing on standard error."""
    script = tmp_path / "program.py"
    script.write_text(BEGIN + program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=limit,
        env={**os.environ, "CHAINRULE_THREADS": "2", **environment},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), (done.returncode, done.stderr, done.stdout)
    return json.loads(done.stdout.splitlines()[-1])


FORKS = """
def child(what=work):
    "The result of a forked child, or how it died."
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            signal.alarm(60)
            os.write(write, what().encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as end:
        found = end.read()
    return found if os.waitpid(pid, 0)[1] == 0 else "died"
"""


def test_forked(tmp_path):
    """A child that is forked before the engine was used, after it, from a thread, or while other threads train and
    predict, and a child of that child, work as the parent does, and the parent goes on.
    """
    found = process(
        tmp_path,
        FORKS
        + """
results = {"before use": [child()]}
expected = work()
results["after use"] = [child() for _ in range(5)]
results["parent after"] = [work()]
results["child of a child"] = [child(child)]

shared, ready = cpu.Predictor(net), threading.Event()
state = cpu.prepare(net, source(net, inputs, t, None, 100), RULES["lbfgs"])
outputs, E = shared(inputs), cpu.error(state, state.source)

def busy():
    while not ready.is_set():
        work(); shared(inputs); cpu.error(state, state.source)

def with_shared():
    "What the parent's other threads may hold in this moment."
    return work() if np.array_equal(shared(inputs), outputs) and cpu.error(state, state.source) == E else "wrong"

others = [threading.Thread(target=busy) for _ in range(3)]
for other in others: other.start()
results["while others work"] = [child(with_shared) for _ in range(20)]
from_thread = []
forking = threading.Thread(target=lambda: from_thread.extend(child() for _ in range(3)))
forking.start(); forking.join()
results["from a thread"] = from_thread
ready.set()
for other in others: other.join()
results["parent at the end"] = [work()]
print(json.dumps({name: [one == expected or one for one in found] for name, found in results.items()}))
""",
    )
    assert found == {name: [True] * len(results) for name, results in found.items()}
    assert len(found) == 7


def test_forked_while_compiling(tmp_path):
    """A child forked while another thread compiles can compile itself: the fork waits for the compiler."""
    found = process(
        tmp_path,
        FORKS
        + """
from chainrule.activations import ACTIVATIONS
from chainrule.engines.cpu import machine, rows
expected, stop = work(), threading.Event()
machine.folder = lambda: None  # from here on rows are compiled each time; the loops are there

def compiling():
    while not stop.is_set():
        rows.activation.cache_clear()
        for name in ("tanh", "gelu", "sine"):
            rows.activation(ACTIVATIONS[name], np.dtype("float64"), True)
            time.sleep(0.001)  # or this thread would take the lock again before the fork can

def compile_and_work():
    rows.activation.cache_clear()
    return work()

other = threading.Thread(target=compiling)
other.start()
results = [child(compile_and_work) for _ in range(10)]
stop.set()
other.join()
print(json.dumps([one == expected or one for one in results]))
""",
    )
    assert found == [True] * 10


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
def test_multiprocessing(how, tmp_path):
    """Processes of multiprocessing, started in every way after the engine was used, give the bits of the parent."""
    found = process(
        tmp_path,
        f"""
if __name__ == "__main__":
    expected = work()
    with multiprocessing.get_context({how!r}).Pool(2) as processes:
        results = processes.map(work, range(6))
    results.append(work())
    print(json.dumps([one == expected for one in results]))
""",
    )
    assert found == [True] * 7


@pytest.mark.parametrize("backend", ["threading", "loky", "multiprocessing"])
def test_joblib(backend, tmp_path):
    """So do the workers of joblib, which scikit-learn uses, on every backend."""
    found = process(
        tmp_path,
        f"""
from joblib import Parallel, delayed
if __name__ == "__main__":
    expected = work()
    for _ in range(2):
        results = Parallel(n_jobs=3, backend={backend!r})(delayed(work)(n) for n in range(9))
    results.append(work())
    print(json.dumps([one == expected for one in results]))
""",
    )
    assert found == [True] * 10


INTERRUPTS = """
kinds = {
    "long epochs": lambda: train(big, many, targets, **(LONG | {"batch_size": 32})),
    "with validation": lambda: train(big, many, targets, validation=(many, targets), **LONG),
    "L-BFGS": lambda: train(big, many, targets, **(LONG | {"rule": "lbfgs", "batch_size": None})),
    "many at once": lambda: train_many([big] * 4, many, targets, threads=2, **LONG),
    "prediction": lambda: [cpu.predict(big, many) for _ in range(10**6)],
}
signal.signal(signal.SIGINT, signal.default_int_handler)  # which whatever started this may have turned off
many = np.tile(random.normal(size=(5_000, 64)), (20, 1))
targets = np.tanh(many[:, :3])
big = Network([64, 256, 256, 3], seed=1)
LONG = dict(epochs=10**6, batch_size=128, progress=False, warn=False, engine="cpu", learning_rate=0.01)
took = {}
for name, run in kinds.items():
    took[name] = []
    for moment in np.linspace(0.02, 1.0, MOMENTS):
        sent = []
        def send():
            time.sleep(moment)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
        sender = threading.Thread(target=send)
        sender.start()
        try:
            run()
        except KeyboardInterrupt as raised:
            took[name].append(time.monotonic() - sent[0])
            sender.join()
            time.sleep(0.02)  # a second one would come here
            if isinstance(raised, Interrupted):
                assert np.isfinite(raised.network.theta).all()
                assert raised.network.theta.shape == big.theta.shape
assert work() == before
print(json.dumps(took))
"""


def test_interrupted(tmp_path):
    """Ctrl-C at any moment of epochs that last a second, of E of 100,000 patterns, of L-BFGS, of many trainings at once
    or of a prediction raises once, with the best weights so far, and soon: after the 0.05 s that a loop runs and the
    batch it is in. (Here within 2 s, since tests share the machine; benchmarks are quieter.)
    """
    took = process(tmp_path, "before, MOMENTS = work(), 4" + INTERRUPTS)
    assert {name: len(seconds) for name, seconds in took.items()} == dict.fromkeys(took, 4)
    assert max(max(seconds) for seconds in took.values()) < 2, took
