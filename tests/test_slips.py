"""Every slip in our copy of the source has the verdict that it should have, found by the verifier."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from math_core import LatexToMathML

from chainrule.derivation.printers import expression
from chainrule.derivation.terms import walk
from handwritten import term

DOCS = Path(__file__).parent.parent / "docs"

spec = importlib.util.spec_from_file_location("slips", DOCS / "slips.py")
assert spec is not None
assert spec.loader is not None
slips = sys.modules["slips"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(slips)


@pytest.mark.parametrize("slip", slips.SLIPS, ids=lambda slip: f"{slip.where}: {slip.printed}")
def test_verdict(slip) -> None:
    """What is printed has its verdict."""
    assert slips.verdict(slip).name == slip.expected


@pytest.mark.parametrize("slip", slips.SLIPS, ids=lambda slip: f"{slip.where}: {slip.printed}")
def test_correction(slip) -> None:
    """The corrected text is right: it is part of the derivation's own line, and no slip if it were printed."""
    if slip.corrected and slip.step:
        line = slips.derivation(slip.target).step(slip.step).line
        assert term(slip.corrected) in list(walk(line))
    if slip.corrected:
        assert slips.verdict(replace(slip, reading=slip.corrected, before=0)).name == "right value"
    if slip.under:
        assert slips.verdict(replace(slip, under=slip.target)).name == "right value"


def test_every_verdict_occurs() -> None:
    """The table has wrong values, ill-formed lines, rules that were not applied, an absent line, and right ones."""
    counts = Counter(slip.expected for slip in slips.SLIPS)
    assert counts == {"ill-formed": 14, "right value": 4, "wrong value": 3, "rule not applied": 3, "absent": 1}


def test_ill_formed_says_why() -> None:
    """A line that cannot be built has a sentence that says why, and a wrong value has both numbers."""
    for slip in slips.SLIPS:
        found = slips.verdict(slip)
        if found.name == "ill-formed":
            assert " must " in found.said
            assert "; got " in found.said
        elif found.name == "wrong value":
            assert "is worth" in found.said
        else:
            assert not found.said


def test_formulas_can_be_written() -> None:
    """Every formula of the page becomes MathML."""
    converter = LatexToMathML(fancy_error=False)
    for slip in slips.SLIPS:
        for text in (slip.printed, slips.corrected(slip)):
            for formula in text.split("$")[1::2]:
                assert converter.convert_with_local_state(formula, displaystyle=False)
        if slip.corrected:
            assert expression(term(slip.corrected), "latex")


def test_the_page_is_current() -> None:
    """docs/slips.md is what `python docs/generate.py` writes."""
    assert (DOCS / "slips.md").read_text(encoding="utf-8") == slips.page(), "run `python docs/generate.py`"
