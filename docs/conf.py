"""What Sphinx needs to know to build these pages; `script/docs` runs it."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

project = "Chainrule"
author = "Chainrule contributors"
copyright = "2026, Chainrule contributors"
release = version = installed_version("chainrule")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "mathml",
]
exclude_patterns = ["_build", "templates"]

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
napoleon_google_docstring = False
# Several classes have attributes of one name, such as rows; a type in a docstring then points to none of them.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = f"Chainrule {release}"
# Formulas are native MathML: a built page loads nothing from the network.
html_math_renderer = "mathml"

html_static_path = ["_static"]
html_css_files = ["formulas.css"]


def formulas_as_written(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep the lines of formulas in the page's docstrings apart."""
    if name.startswith("chainrule.backprop."):
        lines[1:] = ["", "::", "", *(f"    {line}" for line in lines[1:])]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", formulas_as_written)
