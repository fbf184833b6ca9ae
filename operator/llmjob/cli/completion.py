"""`llmjob completion`: the completion script of a shell."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: eval "$(llmjob completion bash)"
    zsh:  eval "$(llmjob completion zsh)"
    fish: llmjob completion fish | source
    """
    completion = get_completion_class(shell)
    if completion is None:  # pragma: no cover, click ships all three
        raise click.UsageError(f"no completion for {shell}")
    root = ctx.find_root().command
    click.echo(completion(root, {}, "llmjob", "_LLMJOB_COMPLETE").source())
