"""Measures how well the page's gradient agrees with three others, on random networks of every kind.

The networks are those of tests/random_networks.py: depth 1 to 8, widths 1 to 33, every activation, objective and
output, weights of patterns, missing targets, penalties, mini-batch totals. The gradient by weights, biases and inputs
is compared with the complex step (every entry), with central differences (a direction through every block and a
selection), and with jax.grad of the page's E in float64 (every entry). A relative error is the difference over the
largest entry of its block. For the worst cases the table says how well they are conditioned: how far the block moves,
in the same measure, when every number moves by one ulp, and how large E is beside the block's largest derivative,
which is what differences of E are up against.

    python benchmarks/certificate.py [--networks N] [--seed S] [--json FILE]

Network n has seed S + n. Exit code 1 if a target is missed or a certificate is not ok.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from chainrule import check, error, error_terms, forward, gradient, input_gradient

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from random_networks import Case, random_case

TARGET = {"complex step": 1e-12, "central differences": 1e-7, "jax.grad": 1e-13}

Gradients = dict[str, np.ndarray]
"""By the name of their block: w[i], b[i], y[0]."""


class Found(NamedTuple):
    """The relative error of one block of one network beside one oracle."""

    oracle: str
    seed: int
    block: str
    relative_error: float
    largest: float
    ok: bool


def by_page(case: Case, random: np.random.Generator | None = None) -> Gradients:
    """What is judged; with random numbers, after every number that goes in has moved by one ulp."""
    net, inputs, targets, weights = case.arguments
    if random is not None:
        theta, inputs, targets = (
            a * (1 + np.finfo(float).eps * random.choice([-1.0, 1.0], a.shape)) for a in (net.theta, inputs, targets)
        )
        net = net.replace(theta)
    trace = forward(net, inputs)
    e = error_terms(net, trace, targets)
    g = gradient(net, trace, e, weights, case.total).theta
    return {block.name: g[block.part] for block in net.blocks} | {"y[0]": input_gradient(net, e)}


plain_tanh = jnp.tanh


@jax.custom_jvp
def tanh(x: Any) -> Any:
    """tanh for the referee, whose own derivative 1 - tanh(x)^2 loses its digits in the tails."""
    return plain_tanh(x)


tanh.defjvp(lambda x, dx: (plain_tanh(x[0]), dx[0] / jnp.cosh(x[0]) ** 2))
jnp.tanh = tanh  # before chainrule first asks JAX for its functions


def by_jax(case: Case, compiled: bool) -> Gradients:
    """JAX's reverse mode through the page's E, and through the sum of the patterns' own E_p."""
    net, inputs, targets, weights = case.arguments
    t, s = jnp.asarray(targets), None if weights is None else jnp.asarray(weights)

    def E(theta: Any, inputs: Any) -> Any:
        of = net.replace(theta)
        trace = forward(of, inputs)
        return error(of, trace, t, s, case.total), net.objective.errors(net.f[-1], t, trace.x[-1], trace.y[-1]).sum()

    def gradients(theta: Any, inputs: Any) -> Any:
        _, pull = jax.vjp(E, theta, inputs)
        return pull((1.0, 0.0))[0], pull((0.0, 1.0))[1]

    run = jax.jit(gradients) if compiled else gradients
    g, d = (np.asarray(found) for found in run(jnp.asarray(net.theta), jnp.asarray(inputs)))
    return {block.name: g[block.part] for block in net.blocks} | {"y[0]": d}


def found_by_certificate(case: Case, oracle: str) -> Iterator[Found]:
    """As check() says."""
    every_entry = case.net.n_parameters * 10 if oracle == "complex step" else 0
    certificate = check(*case.arguments, total=case.total, oracle=oracle, every_entry=every_entry)
    for block in certificate.blocks:
        ok = block.ok and certificate.reported_ok
        yield Found(oracle, case.seed, block.name, block.relative_error, block.largest, ok)


def found_by_jax(case: Case, compiled: bool = True) -> list[Found]:
    """The page beside JAX; what misses the target is computed again operation by operation.

    Compiled quickly, exp and its like are rounded more coarsely, which a badly conditioned network magnifies.
    """
    page, other = by_page(case), by_jax(case, compiled)
    found = []
    for name, g in page.items():
        largest = float(np.abs(other[name]).max())
        off = float(np.abs(g - other[name]).max() / largest)
        found.append(Found("jax.grad", case.seed, name, off, largest, bool(np.isfinite(off))))
    if compiled and max(one.relative_error for one in found) > TARGET["jax.grad"]:
        return found_by_jax(case, compiled=False)
    return found


def compare(seeds: range) -> tuple[list[Found], dict[str, float]]:
    """Every block of every network beside every oracle, and the seconds each oracle took."""
    found: list[Found] = []
    seconds = dict.fromkeys(TARGET, 0.0)
    for seed in seeds:
        case = random_case(seed)
        for oracle in TARGET:
            started = time.perf_counter()
            found += found_by_jax(case) if oracle == "jax.grad" else found_by_certificate(case, oracle)
            seconds[oracle] += time.perf_counter() - started
        if seed % 100 == 99:
            print(f"{seed - seeds.start + 1} of {len(seeds)} networks", file=sys.stderr)
            jax.clear_caches()
    return found, seconds


def one_ulp(one: Found) -> float:
    """How far a block moves, over its largest entry, when every number moves by one ulp."""
    case = random_case(one.seed)
    moved = [by_page(case, np.random.default_rng(n))[one.block] for n in range(10)]
    return float(np.ptp(moved, axis=0).max() / one.largest)


def worst_cases(found: list[Found], cases: int = 10) -> Iterator[dict[str, Any]]:
    """Of each oracle the networks that agree worst, one line each."""
    for oracle in TARGET:
        by_seed: dict[int, Found] = {}
        for one in sorted(found, key=lambda one: one.relative_error):
            if one.oracle == oracle:
                by_seed[one.seed] = one
        for one in sorted(by_seed.values(), key=lambda one: -one.relative_error)[:cases]:
            case = random_case(one.seed)
            net, inputs, targets, weights = case.arguments
            E = float(error(net, forward(net, inputs), targets, weights, case.total))
            conditioned = {"one ulp moves it by": one_ulp(one), "E over its largest": E / one.largest}
            yield {**one._asdict(), **conditioned, "case": str(case)}


def summary(found: list[Found]) -> Iterator[dict[str, Any]]:
    """One row an oracle."""
    for oracle, target in TARGET.items():
        of_oracle = [one for one in found if one.oracle == oracle]
        kinds = {
            kind: max((one.relative_error for one in of_oracle if one.block.startswith(letter)), default=0.0)
            for kind, letter in (("weights", "w"), ("biases", "b"), ("inputs", "y"))
        }
        counts = {
            "over": len({one.seed for one in of_oracle if not one.relative_error <= target}),
            "not ok": len({one.seed for one in of_oracle if not one.ok}),
        }
        yield {"oracle": oracle, "target": target, "blocks": len(of_oracle), **kinds, **counts}


def print_tables(rows: list[dict[str, Any]], worst: list[dict[str, Any]], seconds: dict[str, float]) -> None:
    """The largest relative errors, then the worst cases."""
    kinds = ("weights", "biases", "inputs")
    names = "".join(f"{kind:>10}" for kind in kinds)
    print(f"{'oracle':<21}{'target':>8}{'blocks':>9}{names}{'over':>6}{'not ok':>8}{'s':>6}")
    for row in rows:
        errors = "".join(f"{row[kind]:>10.1e}" for kind in kinds)
        print(
            f"{row['oracle']:<21}{row['target']:>8.0e}{row['blocks']:>9,}{errors}{row['over']:>6}{row['not ok']:>8}"
            f"{seconds[row['oracle']]:>6.0f}"
        )
    print(f"\n{'worst cases':<21}{'seed':>8}{'block':>8}{'error':>10}{'1 ulp':>10}{'E/largest':>11}")
    for row in worst:
        ulp, E = row["one ulp moves it by"], row["E over its largest"]
        print(
            f"{row['oracle']:<21}{row['seed']:>8}{row['block']:>8}{row['relative_error']:>10.1e}{ulp:>10.1e}{E:>11.1e}"
        )


def main() -> int:
    """Compare them all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables to this file")
    wanted = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    found, seconds = compare(range(wanted.seed, wanted.seed + wanted.networks))
    rows, worst = list(summary(found)), list(worst_cases(found))
    print(f"{wanted.networks:,} networks, seeds from {wanted.seed}, {sum(seconds.values()):.0f} s\n")
    print_tables(rows, worst, seconds)
    if wanted.json is not None:
        data = {"networks": wanted.networks, "seed": wanted.seed, "seconds": seconds, "oracles": rows, "worst": worst}
        wanted.json.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return int(any(row["over"] or row["not ok"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
