"""Grading somebody's own back-propagation: it is run on random networks, and its mistakes are named.

Stands beside the derivation: what a file computes is compared with the page, and with the page changed as students
change it (:mod:`chainrule.grading.mutants`). Letters: those of the paper.
"""

from chainrule.grading.report import Report, grade

__all__ = ["Report", "grade"]
