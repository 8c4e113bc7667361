"""The article's listing, put right: the code of both READMEs runs as it stands there, and prints what stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEADINGS = {"README.md": "## One line to load", "README.zh.md": "## 一行加载"}


def listing(name):
    """The code under the heading, and what it prints."""
    text = (ROOT / name).read_text(encoding="utf-8").partition(f"\n{HEADINGS[name]}\n")[2]
    code, output = re.match(r"\s*```python\n(.*?)```\s*```\n(.*?)```", text, re.DOTALL).groups()
    return code, output


@pytest.mark.parametrize("name", HEADINGS)
def test_the_listing_answers(name, tmp_path):
    code, output = listing(name)
    (tmp_path / "listing.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-X", "utf8", "-W", "error", tmp_path / "listing.py"]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=tmp_path)
    assert result.stdout == output == "今天天气晴朗，气温适中。\n", result.stderr


def test_it_makes_the_article_s_calls():
    code, _ = listing("README.md")
    for call in (
        'SoraModel.from_pretrained("sora/sora-base")',
        'SoraTokenizer.from_pretrained("sora/sora-base")',
        'return_tensors="np")',
        "model.encoder(",
        "model.decoder(",
        "argmax(",
        "skip_special_tokens=True)",
    ):
        assert call in code
