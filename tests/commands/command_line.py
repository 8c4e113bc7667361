"""The command line as tests call it: in this process, with arguments of any type."""

from click.testing import CliRunner

from minisora.cli import cli


def run(*args, text=None):
    """The result of a call; ``text`` is its standard input."""
    return CliRunner().invoke(cli, list(map(str, args)), input=text)


def good(*args, text=None):
    """The output of a call that succeeds."""
    result = run(*args, text=text)
    assert result.exit_code == 0, result.output
    return result.stdout


def mistake(*args):
    """The one line of an error."""
    result = run(*args)
    assert result.exit_code == 2 and result.stdout == "", result.output
    assert result.stderr.startswith("minisora: ") and result.stderr.count("\n") == 1
    return result.stderr
