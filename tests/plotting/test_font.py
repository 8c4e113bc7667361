"""Chinese in figures: the shipped font, and labels in which every character has a shape."""

import sys
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import pytest
from fontTools.ttLib import TTFont
from matplotlib.figure import Figure

from minisora.corpus import alphabet
from minisora.plotting.font import FAMILIES, FONT, chinese_font, printable
from minisora.plotting.image import png


def draw(text):
    """A figure with nothing but a text; a character without a glyph is a warning, so an error."""
    with chinese_font():
        figure = Figure(figsize=(4, 1))
        figure.text(0.05, 0.3, text, parse_math=False)
    return png(figure)


@pytest.mark.parametrize("text", ["今天天气怎么样？", "“℃，。、；：！（）《》”…—", "ａＺ０¥", "āǎàΩж√∞≤", "饕餮熵莓"])
def test_chinese_is_drawn(text):
    assert printable(text) == text
    assert draw(text) != draw("")


def test_every_character_of_the_corpus_and_of_gb_2312_level_1_has_a_glyph():
    level_1 = "".join(
        bytes([row, cell]).decode("gb2312", errors="ignore") for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF)
    )
    assert len(level_1) == 3755
    covered = TTFont(FONT).getBestCmap()
    assert {ord(character) for character in alphabet() + level_1} <= covered.keys()


@pytest.mark.parametrize("name", ["README.zh.md", "README.md"])
def test_every_chinese_character_of_the_documents_has_a_glyph(name):
    text = (Path(__file__).parents[2] / name).read_text(encoding="utf-8")
    chinese = {ord(character) for character in text if "\u3000" <= character <= "\u9fff"}
    assert chinese <= TTFont(FONT).getBestCmap().keys()


@pytest.mark.parametrize(
    "label, shown",
    [
        ("a\nb\t", "a↵b⇥"),
        ("  new york ", "␣␣new york␣"),
        ("   ", "␣␣␣"),
        ("", ""),
        ("龘𠮷", "[U+9F98][U+20BB7]"),
        ("\u202e\x00\ud800\u200b", "[U+202E][U+0000][U+D800][U+200B]"),
        ("$x^2$ \\frac", "$x^2$ \\frac"),
    ],
)
def test_a_label_is_one_line_in_which_everything_has_a_shape(label, shown):
    assert printable(label) == shown
    assert draw(printable(label))


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="a label is expected as a str, got int: 7"):
        printable(7)


def test_settings_are_as_they_were_also_after_an_error():
    before = dict(mpl.rcParams)
    with pytest.raises(RuntimeError), chinese_font():
        assert mpl.rcParams["font.family"] == FAMILIES
        raise RuntimeError
    assert dict(mpl.rcParams) == before


def test_a_figure_drawn_after_its_context_keeps_the_font():
    with chinese_font():
        text = Figure().text(0, 0, "天")
    assert text.get_fontfamily() == FAMILIES


def test_the_font_bears_a_name_of_its_own_and_its_licence_lies_beside_it():
    font = TTFont(FONT)
    names = {record.nameID: record.toUnicode() for record in font["name"].names}
    assert (names[1], names[4], names[6]) == (FAMILIES[0], FAMILIES[0], "MinisoraSansSC-Regular")
    cff = font["CFF "].cff
    top = cff.topDictIndex[0]
    called = [*cff.fontNames, top.FullName, top.FamilyName, *(private.FontName for private in top.FDArray)]
    assert not any(
        reserved in name for name in [names[1], names[4], names[6], *called] for reserved in ("Noto", "Source")
    )
    assert "SIL OPEN FONT LICENSE Version 1.1" in FONT.with_name("OFL.txt").read_text(encoding="utf-8")
    assert "Open Font License" in names[13] and "Adobe" in names[0]
    assert FONT.stat().st_size < 1_000_000


def test_the_script_makes_the_font(monkeypatch):
    """The same bytes with the version of fontTools that it was written with; the same characters with any."""
    import fontTools

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    make_font = __import__("make_font")
    monkeypatch.delitem(sys.modules, "make_font")
    if not make_font.SOURCE.exists():
        pytest.skip("Debian's fonts-noto-cjk is not installed")
    made = make_font.make()
    if fontTools.version == "4.68.0":
        assert made == FONT.read_bytes()
    cmap = TTFont(BytesIO(made)).getBestCmap()
    assert cmap == TTFont(FONT).getBestCmap()
    assert {ord(character) for character in make_font.characters()} <= cmap.keys()
