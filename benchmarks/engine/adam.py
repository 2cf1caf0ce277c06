"""What a step with Adam costs, against JAX with optax, PyTorch's own Adam, and scikit-learn's."""

from __future__ import annotations

import argparse

import step
from measure import How
from report import Table


def tables(given: argparse.Namespace, how: How) -> list[Table]:
    """As :mod:`step`, by another rule."""
    return step.tables(given, how, "adam")
