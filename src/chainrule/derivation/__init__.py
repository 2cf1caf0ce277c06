"""The derivation as a program: the paper's numbered steps for any network, every line verified on numbers."""

from chainrule.derivation.steps import Derivation as Derivation
from chainrule.derivation.steps import Step as Step
from chainrule.derivation.steps import derive as derive
