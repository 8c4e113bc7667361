"""The options of what is done to an answer before it is shown, each step a switch of its own."""

import click

from minisora.commands.options import all_of


def post_processing_options(function):
    """Give a command ``stop_words``, ``collapse_characters``, ``collapse_fragments`` and ``space_scripts``."""
    options = (
        click.option(
            "--stop-words", multiple=True, metavar="zh|en|FILE", help="Words to leave out of answers; may be repeated."
        ),
        click.option("--collapse-characters", is_flag=True, help="A character three times in a row or more: twice."),
        click.option("--collapse-fragments", is_flag=True, help="A fragment that is repeated at once: once."),
        click.option("--space-scripts", is_flag=True, help="A space between Chinese and Latin."),
    )
    return all_of(options, function)


def post_processing(tokenizer, stop_words, collapse_characters, collapse_fragments, space_scripts):
    """The steps that were asked for; a tokenizer of words says where the Chinese words of an answer end."""
    from minisora.text.post_processing import PostProcessing
    from minisora.text.stop_words import read_stop_words, words_by

    words = frozenset().union(*map(read_stop_words, stop_words))
    segment = words_by(tokenizer) if tokenizer.kind == "words" else None
    return PostProcessing(words, segment, collapse_characters, collapse_fragments, space_scripts)
