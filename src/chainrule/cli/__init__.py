"""The command line: one module per verb, none of which computes anything.

Exit codes: 0 ok, 1 failed, 2 usage, 3 bad data, 4 diverged, 130 interrupted. An error is a sentence on standard error.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import warnings
from io import TextIOWrapper
from typing import Any

import click

VERBS = ("train", "predict", "evaluate", "check", "inspect", "derive", "grade", "doctor", "completion")


class Verbs(click.Group):
    """The verbs, each loaded from its module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use, not of the alphabet."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"chainrule.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was asked for, or the one that may have been meant."""
        if args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            close = difflib.get_close_matches(args[0], VERBS, 1)
            hint = f"Did you mean {close[0]!r}?" if close else "Choose one of them."
            ctx.fail(f"command must be one of {', '.join(VERBS)}; got {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="chainrule", prog_name="chainrule")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(debug: bool) -> None:
    """Train, judge, certify and use small networks on tables of numbers.

    \b
      chainrule train houses.csv --target price -o price.safetensors
      chainrule predict price.safetensors new.csv
    """  # noqa: D301  click looks for the character itself


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    warnings.showwarning = _show_warning
    if isinstance(sys.stdout, TextIOWrapper):  # R² as R\xb2 where the terminal has no such character
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = group.main(given, prog_name="chainrule", standalone_mode=False)
    except BrokenPipeError:  # whoever read our output has had enough
        code = 1
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Error: interrupted.", err=True)
        code = 130
    except Exception as error:
        if "--debug" in given:
            raise
        code, sentence = _explain(error)
        click.echo(f"Error: {' '.join(sentence.splitlines())}", err=True)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:  # a full disk, or nobody who reads; Python would try again at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError) and not code:
            click.echo(f"Error: {_explain(error)[1]}", err=True)
        code = code or 1
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> tuple[int, str]:
    """Exit code and sentence for an error of ours; another is a fault of Chainrule, and says so."""
    from chainrule.files.model_file import BadFile
    from chainrule.tables import BadData
    from chainrule.training.loop import Diverged

    if isinstance(error, BadData | BadFile):
        return 3, str(error)
    if isinstance(error, Diverged):
        error.outcome = "nothing was saved"
        return 4, str(error)
    if isinstance(error, ImportError) and error.name is None:  # ours, which says what to install
        return 1, str(error)
    if isinstance(error, ValueError):
        return 2, str(error)
    if isinstance(error, OSError):  # ours has no strerror: it is a sentence already
        said = f"output must go to a place that takes it; got {str(error.strerror).lower()}. Choose another place."
        return 1, str(error) if error.strerror is None else said
    if isinstance(error, MemoryError):
        return (
            1,
            "memory must hold the table and the network; got a table or network too large. Use fewer rows or nodes.",
        )
    return 1, f"{type(error).__name__}: {error}. This is a fault of Chainrule; --debug before the command shows where."


def _show_warning(message: Warning | str, *rest: Any, **named: Any) -> None:
    click.echo(f"Warning: {' '.join(str(message).splitlines())}", err=True)
