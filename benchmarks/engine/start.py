"""How long it takes from nothing to the first step: import and one update, with an empty and a full cache.

Each is a process of its own, measured from outside. An epoch of one batch (T2) goes through `train`; JAX compiles one
step of the same network, PyTorch takes one; beside them, what it takes to import either.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time

from measure import Found, How, environment, ratio
from report import Table, missing, number, raw, spread, times

DATA = "import numpy; r = numpy.random.default_rng(0); X, t = r.normal(size=(32, 4)), r.normal(size=(32, 1))\n"
OURS = DATA + (
    "from chainrule import Network, train\n"
    "train(Network([4, 16, 16, 1], 'tanh'), X, t, epochs=1, batch_size=32, progress=False, engine='cpu', warn=False)\n"
)
JAX = DATA + (
    "import jax; import jax.numpy as jnp; jax.config.update('jax_enable_x64', True)\n"
    "s = [4, 16, 16, 1]; p = [(jnp.asarray(r.normal(size=(a, b))), jnp.zeros(b)) for a, b in zip(s, s[1:])]\n"
    "def E(p, y, t):\n"
    "    for w, b in p[:-1]: y = jnp.tanh(y @ w + b)\n"
    "    return ((t - y @ p[-1][0] - p[-1][1]) ** 2).sum() / 64\n"
    "step = jax.jit(lambda p, y, t: jax.tree.map(lambda a, g: a - 0.1 * g, p, jax.grad(E)(p, y, t)))\n"
    "jax.block_until_ready(step(p, X, t))\n"
)
TORCH = DATA + (
    "import torch; from torch import nn\n"
    "net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)).double()\n"
    "rule = torch.optim.SGD(net.parameters(), 0.1)\n"
    "((torch.from_numpy(t) - net(torch.from_numpy(X))) ** 2).sum().div(64).backward(); rule.step()\n"
)
WARM = "chainrule, full cache"
PROGRAMS = {
    "Python alone": ("", ""),
    "import chainrule": ("import chainrule", ""),
    WARM: (OURS, ""),
    "import jax": ("import jax", "jax"),
    "JAX, first step": (JAX, "jax"),
    "import torch": ("import torch", "torch"),
    "PyTorch, first step": (TORCH, "torch"),
}
COLD = 3
"""Rounds with an empty cache."""


def tables(given: argparse.Namespace, how: How) -> list[Table]:
    """One table."""
    table = Table("From nothing to the first step, T2, float64", ["", "s", "spread", "times ours"], [])
    chosen = {name: one for name, one in PROGRAMS.items() if not one[1] or one[1] in given.against}
    with tempfile.TemporaryDirectory() as folder:
        cold = Found()
        for n in range(min(COLD, how.rounds)):
            _once(OURS, how, f"{folder}/{n}", cold)
        found = {name: Found() for name in chosen}
        for name, (program, _) in chosen.items():
            _once(program, how, f"{folder}/0", found[name])  # what is read from the disk for the first time
            found[name].seconds.clear()
        for _ in range(how.rounds):
            for name, (program, _) in chosen.items():
                if not found[name].why_not:
                    _once(program, how, f"{folder}/0", found[name])
    found["chainrule, empty cache"] = cold
    for name, one in found.items():
        table.figures.append(raw(name, one))
        if one.seconds and not one.why_not:
            against = times(one.median / found[WARM].median if one is cold else ratio(one, found[WARM]))
            table.rows.append([name, number(one.median), spread(one.seconds), against])
    table.notes = missing(found)
    table.wrong = [one for one in table.notes if "chainrule" in one]
    return [table]


def _once(program: str, how: How, cache: str, found: Found) -> None:
    """Run it in a new process, and note what it took."""
    given = environment(how.threads) | {"CHAINRULE_CACHE": cache}
    started = time.perf_counter()
    done = subprocess.run(
        [how.python, "-c", program], env=given, cwd=os.sep, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - started
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1]
        found.why_not = "not installed" if "ModuleNotFoundError" in last else f"failed: {last[:200]}"
    else:
        found.seconds.append(took)
