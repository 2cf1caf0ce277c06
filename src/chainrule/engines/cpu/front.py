"""Numba as a front end: functions become LLVM code that is linked as written, and optimised when a loop is whole.

Numba would optimise each function with all that it calls, and make machine code of it for Python, before it goes into
the next one: to compile all loops of a type takes 27 s that way instead of 12. It still does where a release of Numba
cannot be told to stop before that.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic


def _pipeline() -> Any:
    """What tells Numba to stop."""
    from numba import _dynfunc
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.core.compiler_machinery import register_pass
    from numba.core.typed_passes import NativeLowering

    class Library(JITCodeLibrary):
        """Code that is linked, and nothing else."""

        def _optimize_functions(self, ll_module: Any) -> None:
            ll_module.data_layout = self._codegen._data_layout

        def _optimize_final_module(self) -> None:
            pass

        def _finalize_final_module(self) -> None:
            self._finalized = True

    @register_pass(mutates_CFG=True, analysis_only=False)
    class Lowering(NativeLowering):
        """Writes a function into such a library, and lets others call it there."""

        _name = "chainrule_lowering"

        def run_pass(self, state: Any) -> bool:
            state.library = Library(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
            state.flags.no_compile = True
            super().run_pass(state)
            made, kept = state["cr"], (state.library,)
            key = _dynfunc.make_function(made.fndesc.lookup_module(), made.fndesc.qualname, "", 0, made.env, kept)
            state.targetctx.insert_user_function(key, made.fndesc, kept)
            state["cr"] = made._replace(cfunc=key)
            return True

    class Pipeline(CompilerBase):
        """Numba's own, but for that."""

        def define_pipelines(self) -> Any:
            manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
            manager.passes = [(Lowering if one is NativeLowering else one, name) for one, name in manager.passes]
            manager.finalize()
            return [manager]

    return Pipeline


def linked(function: Any, signature: Any) -> tuple[str, str]:
    """LLVM's source of a function and of all that it calls, and its name there."""
    function.compile(signature)
    made = function.overloads[signature]
    with global_compiler_lock:
        made.library._ensure_finalized()
    return made.library.get_llvm_str(), made.fndesc.llvm_func_name


def _options() -> dict[str, Any]:
    """What tells Numba to stop, tried on a function that calls another; nothing if that fails in whatever way."""
    options = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    try:
        own = options | {"pipeline_class": _pipeline()}
        inner = njit(**own)(lambda n: n + 1)
        linked(njit(**own)(lambda n: inner(n) + 1), (types.int64,))
    except Exception:
        return options
    return own


OPTIONS = _options()

compiled = njit(**OPTIONS)
"""The loops are called by address from :mod:`chainrule.engines.cpu.compiled`, never by Python."""


@intrinsic
def outlined(typing: Any) -> Any:
    """The function that begins with this call stays one: it is not put into those that call it.

    What the compiler moves out of its loops would else be worked out by callers that never come to these: a step of
    4-16-16-1 took 1.22 times as long for one pattern, 1.02 for 32.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), code
