"""What holds for every test: property tests draw the same examples on every run, and JAX computes in float64."""

import os

import hypothesis
import pytest

os.environ["SCIPY_ARRAY_API"] = "1"  # read when SciPy is first imported: scikit-learn's checks of estimators need it

from chainrule import engines

hypothesis.settings.register_profile("chainrule", deadline=None, derandomize=True)
hypothesis.settings.load_profile("chainrule")

os.environ["JAX_ENABLE_X64"] = "1"  # read when a test first imports JAX


@pytest.fixture
def on_the_page(monkeypatch):
    """For claims of the loop around an engine that hold bit for bit: the engine is the page itself."""
    monkeypatch.setattr(engines, "ENGINES", {"reference": "chainrule.engines.reference"})
