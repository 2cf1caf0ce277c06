"""`chainrule completion`: the script by which a shell completes verbs, options and files."""

from __future__ import annotations

import click

INSTALL = {
    "bash": """add to ~/.bashrc the line: eval "$(chainrule completion bash)\"""",
    "zsh": """add to ~/.zshrc, below compinit, the line: eval "$(chainrule completion zsh)\"""",
    "fish": "write this to a file: chainrule completion fish > ~/.config/fish/completions/chainrule.fish",
}


@click.command("completion")
@click.argument("shell", type=click.Choice([*INSTALL]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Write the script by which SHELL completes commands.

    It completes verbs, options and files. Its last line says how to install it.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, "chainrule", "_CHAINRULE_COMPLETE").source()
    click.echo(f"{script.strip()}\n\n# To install, {INSTALL[shell]}")
