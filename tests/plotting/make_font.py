"""Make minisora/plotting/fonts/MinisoraSansSC.otf: a renamed part of Noto Sans CJK SC, for Chinese in figures.

    python tests/plotting/make_font.py            write the font anew
    python tests/plotting/make_font.py --check    make it again and compare with the file

Reads Debian's package fonts-noto-cjk; written with fontTools 4.68.0. The same versions give the same bytes. The
licence, SIL OFL 1.1, lies beside the font: what is changed must not bear a reserved name, hence the new one, and Noto
is a trademark of Google.
"""

import argparse
import io
import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

from minisora.corpus import alphabet

SOURCE = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
SIMPLIFIED = 2  # its number in the collection
FAMILY = "Minisora Sans SC"
FONT = Path(__file__).parents[2] / "minisora" / "plotting" / "fonts" / "MinisoraSansSC.otf"

LEVEL_1 = range(16, 56)  # rows of GB 2312: the 3,755 characters in common use
SIGNS = range(1, 10)  # punctuation, numbers, full-width forms, kana, Greek, Cyrillic, pinyin, lines
MORE = "饕餮熵耦呃嗯浏②③④⑤␣✓−·…“”‘’€°±×÷≈≠≤≥√∞∑∂Δ"  # what lessons and labels write beside


def characters():
    """The characters of the font: ASCII, Latin-1, GB 2312's signs and level 1, the corpus's alphabet, and MORE."""
    latin = [chr(code) for code in [*range(0x20, 0x7F), *range(0xA0, 0x100)]]
    return sorted({*latin, *_gb2312(SIGNS), *_gb2312(LEVEL_1), *alphabet(), *MORE})


def _gb2312(rows):
    """Yield the characters of rows of GB 2312; a place that is not taken decodes to nothing."""
    for row in rows:
        for cell in range(1, 95):
            yield from bytes([0xA0 + row, 0xA0 + cell]).decode("gb2312", errors="ignore")


def make():
    """Return the font as bytes."""
    font = TTFont(SOURCE, fontNumber=SIMPLIFIED, recalcTimestamp=False)
    options = Options(
        layout_features=[],
        hinting=False,
        desubroutinize=False,
        notdef_outline=True,
        name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14],
    )
    options.drop_tables += ["BASE", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx"]  # vertical text, other languages
    subsetter = Subsetter(options)
    subsetter.populate(text="".join(characters()))
    subsetter.subset(font)
    _rename(font)
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()


def _rename(font):
    """Give the font its own name, everywhere that it says one."""
    compact = FAMILY.replace(" ", "")
    version = font["name"].getDebugName(5).split(";")[0]
    names = {
        1: FAMILY,
        3: f"{version};{compact}-Regular",
        4: FAMILY,
        5: f"{version}; a part of Noto Sans CJK SC, made for minisora",
        6: f"{compact}-Regular",
    }
    font["name"].names = [record for record in font["name"].names if record.langID == 0x409]
    for number, text in names.items():
        font["name"].setName(text, number, 3, 1, 0x409)
    cff = font["CFF "].cff
    cff.fontNames = [names[6]]
    top = cff.topDictIndex[0]
    top.FullName, top.FamilyName = FAMILY, FAMILY
    for private in top.FDArray:
        private.FontName = f"{compact}-{private.FontName.split('-')[-1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    made = make()
    if parser.parse_args().check:
        sys.exit(None if made == FONT.read_bytes() else f"{FONT.name} is not what this script makes")
    FONT.write_bytes(made)
    print(f"{FONT.name}: {len(characters()):,} characters, {len(made):,} bytes")


if __name__ == "__main__":
    main()
