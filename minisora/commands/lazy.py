"""A group of commands that imports only the one that is used."""

from importlib import import_module

import click


class LazyCommands(click.Group):
    """A group whose commands are modules.

    Parameters
    ----------
    homes : dict of str to str
        Name of each command, in the order of the help, to the module that defines it as ``command``.
    """

    def __init__(self, *args, homes, **kwargs):
        super().__init__(*args, **kwargs)
        self.homes = homes

    def list_commands(self, ctx):
        """The names, in the order in which they were given."""
        return list(self.homes)

    def get_command(self, ctx, name):
        """Import the command of a name; None where there is none."""
        return import_module(self.homes[name]).command if name in self.homes else None
