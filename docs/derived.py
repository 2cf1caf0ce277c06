"""Writes docs/derivation.md: the template's text with derivations that are made and verified while it is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from chainrule.derivation import Derivation, derive

SIZES = (6, 8, 7, 5, 4, 3)
"""A network with the nodes that the paper names: 7 in layer 1, and 3 and 5 in layer 0."""

WIDE = (64,) * 6

TEMPLATE = Path(__file__).parent / "templates" / "derivation.md"


def page() -> str:
    """The page, in Markdown."""
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, block in blocks().items():
        text = text.replace(f"<<{name}>>", block)
    return text


def blocks() -> dict[str, str]:
    """What the template leaves open."""
    weight = derive(SIZES, "w[1,7,3]")
    bias = derive(SIZES, "b[1,7]")
    small = (4, 3, 2)
    return {
        "weight": steps(weight),
        "costs": costs(),
        "swap": steps(only(derive(SIZES, "w[1,7,3]", "pedantic"), ("let", 4))),
        "bias": steps(replace(bias, steps=bias.steps[-8:])),
        "output": steps(derive(SIZES, "w[5,2,3]")),
        "input": steps(derive(SIZES, "y[0,5]")),
        "patterns": steps(derive(small, "w[1,2,3]", patterns=True)),
        "softmax": steps(derive(small, "w[1,2,3]", objective="cross_entropy")),
        "verified": verified(weight),
    }


def steps(derivation: Derivation) -> str:
    """The steps, every one of which has been verified."""
    if not derivation.verify().ok:
        raise ArithmeticError(f"a line of the derivation by {derivation.problem.name} is wrong")
    return derivation.render("markdown").strip()


def only(derivation: Derivation, group: tuple[str, int]) -> Derivation:
    """The steps of one group, after the line from which they start."""
    n = next(n for n, step in enumerate(derivation.steps) if step.group == group)
    kept = [step for step in derivation.steps[n:] if step.group == group]
    return replace(derivation, steps=(*derivation.steps[n - 1 : n], *kept))


def costs() -> str:
    """Multiplications of steps 19 and 24, for one weight and for all."""
    cost = derive(WIDE, "w[1,0,0]").cost()
    of_line = {line.number: line for line in cost.lines}
    rows = [
        "| for | step 19, nothing kept | step 24, error terms kept |",
        "|---|---|---|",
        f"| one weight of layer 1 | {of_line[19].one:,} | {of_line[24].one_kept:,} |",
        f"| all weights | {of_line[19].every:,} | {of_line[24].every_kept:,} |",
        "",
        f"The first number is $64(2+64(2+64(2+64\\cdot 4))) =$ {of_line[19].one:,}: each sum has 64 terms, in each of "
        "which two products are formed, and in the innermost four. All error terms of the network together cost "
        f"$64 + 4\\cdot 64\\cdot 64\\cdot 2 =$ {cost.error_terms:,} multiplications, and each of the "
        "$5\\cdot 64\\cdot 64$ weights one more.",
    ]
    return "\n".join(rows)


def verified(derivation: Derivation) -> str:
    """What came out for the derivation above."""
    found = derivation.verify()
    return (
        f"For the {len(derivation)} lines by $w_{{173}}$ above, on a random network: each is worth "
        f"{found.lines[0].value:.12g}, and the complex step says {found.oracle.value:.12g}."
    )
