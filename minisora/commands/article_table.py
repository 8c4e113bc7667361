"""The claims of the article as a table: for a terminal, and in Markdown for the READMEs."""

from itertools import groupby
from textwrap import fill

from minisora.article import SECTIONS, VERDICTS

WIDTH = 100
HEAD = {"en": ("said", "verdict", "here", "why"), "zh": ("说法", "结论", "这里", "理由")}
COLON, END = {"en": ": ", "zh": "："}, {"en": "; ", "zh": "；"}


def title(section, lang):
    """A section's number, where it is known, and its title."""
    name = SECTIONS[section][lang == "zh"]
    return f"{section} {name}" if section[0].isdigit() else name


def verdict(name, lang):
    """What a verdict is called in a language."""
    return VERDICTS[name][0] if lang == "zh" else name


def legend(lang):
    """What the verdicts mean, on one line."""
    means = {verdict(name, lang): texts[1 + (lang == "zh")] for name, texts in VERDICTS.items()}
    return END[lang].join(f"{name}{COLON[lang]}{text}" for name, text in means.items())


def table(entries, lang):
    """The entries by section, each with its verdict, its reason, and its files and command below it."""
    lines = [fill(legend(lang), WIDTH)]
    for section, group in groupby(entries, lambda entry: entry.section):
        lines += ["", title(section, lang)]
        for entry in group:
            lines.append(indented(f"[{verdict(entry.verdict, lang)}] {entry.claim(lang)}", 2))
            lines.append(indented(entry.why(lang), 6))
            lines += [" " * 6 + place for place in (" ".join(entry.files), entry.command) if place]
    return "\n".join(lines)


def indented(text, depth):
    """A text broken at its spaces, so far to the right."""
    space = " " * depth
    return fill(
        text, WIDTH, initial_indent=space, subsequent_indent=space, break_long_words=False, break_on_hyphens=False
    )


def markdown(entries, lang):
    """The entries as one table of Markdown, a row for each section's title; files are links from the root."""
    lines = [legend(lang) + (".", "。")[lang == "zh"], "", row(HEAD[lang]), row(["---"] * 4)]
    for section, group in groupby(entries, lambda entry: entry.section):
        lines.append(row([f"**{title(section, lang)}**", "", "", ""]))
        for entry in group:
            files = [f"[`{path.removeprefix('minisora/')}`]({path})" for path in entry.files]
            here = " ".join([*files, *([f"`{entry.command}`"] if entry.command else [])])
            lines.append(row([entry.claim(lang), verdict(entry.verdict, lang), here or "–", entry.why(lang)]))
    return "\n".join(lines)


def row(cells):
    """One line of a table."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
