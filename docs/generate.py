"""Write command-line.md from the commands' own help, derivation.md and slips.md; tests check that they are current."""

import sys
from pathlib import Path

from click import Context

from chainrule.cli import VERBS, group

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
import derived  # noqa: E402  found beside this file
import slips  # noqa: E402

INTRODUCTION = """# The command line

Generated from the commands' own help by `python docs/generate.py`.

| exit code | meaning |
|---|---|
| 0 | ok |
| 1 | failed, or a gradient that is not right |
| 2 | used wrongly |
| 3 | a table or model file that is missing or cannot be used |
| 4 | training diverged |
| 130 | interrupted by Ctrl-C |

An error is one sentence on standard error; `chainrule --debug …` shows the traceback as well. With `--json` results
come as JSON, numbers that are not finite as null.
"""


def command_line() -> str:
    """The page, in Markdown."""
    top = Context(group, info_name="chainrule", terminal_width=80, **group.context_settings)
    parts = [INTRODUCTION, f"```text\n{group.get_help(top)}\n```\n"]
    for verb in VERBS:
        command = group.get_command(top, verb)
        context = Context(command, info_name=verb, parent=top, terminal_width=80)
        parts.append(f"## chainrule {verb}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    for name, text in (
        ("command-line.md", command_line()),
        ("derivation.md", derived.page()),
        ("slips.md", slips.page()),
    ):
        (DOCS / name).write_text(text, encoding="utf-8")
