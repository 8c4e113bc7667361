"""The command ``minisora``: finds the command asked for, loads that one alone, and turns mistakes into one line."""

import os
import sys

import click

import minisora
from minisora.commands.lazy import LazyCommands

COMMANDS = (
    "chat", "attend", "serve", "train", "tune", "evaluate", "download", "corpus", "vectors", "gradcheck", "bench",
    "info", "article",
)  # fmt: skip


class Minisora(LazyCommands):
    """The outermost group: mistakes of the user end in one line on standard error and exit code 2."""

    def main(self, *args, standalone_mode=True, **kwargs):
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **kwargs)
        try:
            code = super().main(*args, standalone_mode=False, **kwargs)
            sys.stdout.flush()  # a closed pipe shows here, while it can still be handled
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = 2
        except (click.Abort, KeyboardInterrupt):
            click.echo("minisora: interrupted", err=True)
            code = 130  # what a shell reports of a program that Ctrl-C ended
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it exits
            code = 1
        except (click.ClickException, ValueError, OSError, MemoryError) as error:
            if os.environ.get("MINISORA_TRACEBACK"):
                raise
            click.echo(f"minisora: {one_line(error)}", err=True)
            code = 2
        sys.exit(code)


def one_line(error):
    """What an exception has to say, on one line."""
    if isinstance(error, click.ClickException):
        message = error.format_message()
    elif isinstance(error, OSError) and error.filename is not None:
        message = f"{error.filename}: {error.strerror}"
    else:
        message = str(error)
    return " ".join(message.split()) or type(error).__name__


@click.command(cls=Minisora, homes={name: f"minisora.commands.{name}" for name in COMMANDS})
@click.version_option(minisora.__version__, prog_name="minisora")
def cli():
    """A small text Transformer in NumPy, with every gradient written by hand.

    The environment variable MINISORA_TRACEBACK=1 shows where an error came from.
    """


def main():
    """Entry point: speak UTF-8 whatever the platform's encoding is, then run the command."""
    if sys.stdin is not None:  # closed by whoever started us
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # a bad byte spoils its own line only
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # a file name may hold what UTF-8 cannot
    cli()
