"""How the commands print: tables for people, one JSON object for programs."""

import json
import math

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def print_json(content):
    """Print one JSON object."""
    click.echo(to_json(content))


def to_json(content):
    """JSON for people to read as well; a number that it cannot say (NaN, infinity) becomes null."""
    return json.dumps(finite(content), ensure_ascii=False, indent=2, allow_nan=False)


def finite(content):
    """The same content of dicts, lists and numbers, with None in the place of NaN and infinity."""
    if isinstance(content, dict):
        return {name: finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
