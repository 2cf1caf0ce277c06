"""Chainrule: back-propagation you can read, check and run.

Gashler's derivation of back-propagation as software. The mathematics is one page, :mod:`chainrule.backprop`; the public
names below are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.activations import Activation as Activation
    from chainrule.backprop import error as error
    from chainrule.backprop import error_terms as error_terms
    from chainrule.backprop import forward as forward
    from chainrule.backprop import gradient as gradient
    from chainrule.backprop import input_gradient as input_gradient
    from chainrule.backprop import jacobian as jacobian
    from chainrule.backprop import update as update
    from chainrule.certificate import check as check
    from chainrule.derivation.steps import derive as derive
    from chainrule.estimators import NetworkClassifier as NetworkClassifier
    from chainrule.estimators import NetworkRegressor as NetworkRegressor
    from chainrule.model import Model as Model
    from chainrule.model import load as load
    from chainrule.model import save as save
    from chainrule.network import Network as Network
    from chainrule.objective import Objective as Objective
    from chainrule.training.loop import Diverged as Diverged
    from chainrule.training.loop import Interrupted as Interrupted
    from chainrule.training.loop import WorseThanConstant as WorseThanConstant
    from chainrule.training.loop import train as train
    from chainrule.training.many import train_many as train_many
    from chainrule.training.second_order import bayesian as bayesian

_HOME = {
    "Activation": "activations",
    "Diverged": "training.loop",
    "Interrupted": "training.loop",
    "Model": "model",
    "Network": "network",
    "NetworkClassifier": "estimators",
    "NetworkRegressor": "estimators",
    "Objective": "objective",
    "WorseThanConstant": "training.loop",
    "bayesian": "training.second_order",
    "check": "certificate",
    "derive": "derivation.steps",
    "error": "backprop",
    "error_terms": "backprop",
    "forward": "backprop",
    "gradient": "backprop",
    "input_gradient": "backprop",
    "jacobian": "backprop",
    "load": "model",
    "save": "model",
    "train": "training.loop",
    "train_many": "training.many",
    "update": "backprop",
}
"""The module of each public name."""

__all__ = sorted(_HOME)  # noqa: PLE0605  a list of names all the same


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("chainrule")
    if name not in _HOME:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    value = getattr(import_module(f"chainrule.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
