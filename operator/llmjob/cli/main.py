"""The llmjob command: lazy subcommands and the mapping from failures to exit codes."""

import errno
import gc
import importlib
import os
import sys
from typing import Final, NoReturn

import click

from llmjob.cli.exit_codes import ExitCode

_COMMANDS: Final[dict[str, str]] = {
    "estimate": "How much GPU memory a job needs per GPU, part by part.",
    "check": "Does it fit: judge jobs and pods against a cluster, a fleet file or GPUs you name.",
    "fleet": "The GPU classes of a cluster or a fleet file, with their memory.",
    "report": "Predicted against actual: who wastes, who is near the edge, which smaller GPU would do.",
    "crd": "Print the CustomResourceDefinition of LLMJob.",
    "controller": "Run the controller: status, events and metrics of LLMJobs.",
    "webhook": "Run the admission webhook.",
    "completion": "Print the completion script of a shell.",
}


# Collections while modules load find nothing: objects of a start live as long as the process.
_FEWER_COLLECTIONS: Final = 50_000

_UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT})


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command runs: the cold start is within a budget."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"llmjob.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # noqa: PLC0415, only on a mistake

            near = difflib.get_close_matches(args[0], list(_COMMANDS), n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from error


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001, click's signature
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415, slow to import and rarely needed

        click.echo(f"llmjob {version('llmjob-operator')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fits, 1 tight, 2 too large, 3 unknown, 4 no eligible GPU, 64 usage, 65 bad input, "
    "69 cluster unreachable, 70 a bug of ours.",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print the version."
)
def cli() -> None:
    """Keeps LLM jobs from running out of GPU memory on Kubernetes.

    \b
    llmjob estimate --model Qwen/Qwen2.5-7B --max-model-len 8192 --concurrency 16
    llmjob estimate --parameters 7B --method QLoRA
    llmjob check -f job.yaml --gpu l4x2 --gpu a100-80gb
    llmjob check -f examples/ --fleet nodes.yaml -o json
    llmjob fleet
    """


def _program_name() -> str:
    name = os.path.basename(sys.argv[0])  # noqa: PTH119, pathlib is not needed for this
    return "kubectl llmjob" if name.startswith("kubectl-") else "llmjob"


def _leave(code: int) -> NoReturn:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
    except OSError as error:
        _silence_stdout()
        click.echo(f"llmjob: cannot write the output: {error.strerror}", err=True)
        code = ExitCode.OUTPUT_FAILED
    sys.exit(code)


def _silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain of a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_closed_streams() -> None:
    """A stream that the caller closed is none for Python; what is written to it goes nowhere, what is read is empty."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115, lives as long as the process
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def run() -> NoReturn:
    """Run the command and exit with the contract's code, whatever happens."""
    _open_closed_streams()
    gc.set_threshold(_FEWER_COLLECTIONS)
    try:
        result = cli.main(prog_name=_program_name(), standalone_mode=False)
        _leave(int(result) if isinstance(result, int) else ExitCode.FITS)
    except click.exceptions.Exit as stop:
        _leave(stop.exit_code)
    except click.UsageError as error:
        error.show()
        _leave(ExitCode.USAGE)
    except click.ClickException as error:
        error.show()
        _leave(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _leave(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        _silence_stdout()
        sys.exit(ExitCode.FITS)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        _silence_stdout()
        click.echo(f"llmjob: cannot write the output: {error.strerror}", err=True)
        sys.exit(ExitCode.OUTPUT_FAILED)
    except Exception as error:
        if os.environ.get("LLMJOB_DEBUG"):
            raise
        click.echo(
            f"llmjob: internal error: {type(error).__name__}: {error}\n"
            "This is a bug of llmjob. Set LLMJOB_DEBUG=1 to see where, and please report it.",
            err=True,
        )
        _leave(ExitCode.OUR_BUG)
