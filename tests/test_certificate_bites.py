"""The certificate finds every planted error, and names the blocks that it spoils and no others."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import check
from planted import EVERY, INPUTS, PLANTED, RIGHT, SETTINGS, Planted, Setting

MODES = {
    "every entry": {},
    "directions and a selection": {"every_entry": 0},
    "differences": {"oracle": "central differences"},
}

TOO_FINE = next(planted for planted in PLANTED if planted.name == "float32 on the way")
"""Too fine for differences."""


def certificate(setting: Setting, **given):
    """Of the gradient that is given, in a setting."""
    return check(setting.net, setting.inputs, setting.targets, setting.weights, total=setting.total, **given)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SETTINGS)
def test_right_steps_pass_in_every_setting(name: str, mode: str) -> None:
    """The twin: the steps in which errors are planted pass as they are, by rounding alone (1e-12, as the page) with the
    complex step and to 1e-8 with differences, so that what fails below fails for the planted error.
    """
    found = certificate(SETTINGS[name], gradient=RIGHT.gradient, input_gradient=RIGHT.input_gradient, **MODES[mode])
    assert found.ok, str(found)
    assert {block.name for block in found.blocks} == EVERY
    assert found.relative_error <= (1e-8 if mode == "differences" else 1e-12)


@pytest.mark.parametrize(
    ("planted", "mode"),
    [(planted, mode) for planted in PLANTED for mode in MODES if (planted, mode) != (TOO_FINE, "differences")],
    ids=str,
)
def test_planted_error_is_found_and_its_blocks_are_named(planted: Planted, mode: str) -> None:
    """A planted error makes the certificate fail; exactly the blocks that it spoils are not ok, and the worst entry is
    in one of them. Differences cannot see float32, whose 1e-8 is below their tolerance of 1e-6.
    """
    found = certificate(SETTINGS[planted.setting], **planted.given, **MODES[mode])
    assert not found.ok
    assert not found
    assert {block.name for block in found.blocks if not block.ok} == planted.spoils, str(found)
    assert found.worst.name.split("]")[0] + "]" in planted.spoils
    assert found.worst.gradient != found.worst.oracle
    assert "NOT OK" in str(found)
    assert str(found).count("WRONG") == len(planted.spoils)


@pytest.mark.parametrize("planted", [one for one in PLANTED if one.spoils != INPUTS], ids=str)
def test_reported_error_does_not_change_as_a_wrong_gradient_says(planted: Planted) -> None:
    """Every error in the derivatives by weights or biases shows in the slope of the reported E along one random
    direction as well, except float32's, which is below what differences can see.
    """
    found = certificate(SETTINGS[planted.setting], **planted.given)
    assert found.reported_ok == (planted is TOO_FINE)


def test_the_list_is_long_and_names_its_errors_once() -> None:
    """There are 30 planted errors or more, of different names, and each setting is used by one of them."""
    assert len({planted.name for planted in PLANTED}) == len(PLANTED) >= 30
    assert {planted.setting for planted in PLANTED} == set(SETTINGS)


def test_one_wrong_entry_is_named() -> None:
    """The worst entry is the planted one, with the value that was handed in and the oracle's beside it."""
    planted = next(one for one in PLANTED if one.name == "one entry off by a thousandth")
    found = certificate(SETTINGS[planted.setting], **planted.given)
    assert found.worst.name == "w[2][1,3]"
    np.testing.assert_allclose(found.worst.gradient / found.worst.oracle, 1.001, rtol=1e-12)
