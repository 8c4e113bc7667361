"""What a notebook shows, trusted or not."""

import re
from html import unescape

import numpy as np
import pytest

from minisora.plotting.explorer import attention_explorer
from minisora.plotting.explorer.content import entry_of, weights_of
from minisora.plotting.explorer.notebook import NOTE

HOSTILE = "天</script><b>\"'&"


@pytest.fixture
def explorer(speaking):
    return attention_explorer(*speaking(), HOSTILE, answer='天<b>"')


def test_the_table_comes_first_and_the_page_after_it(explorer):
    bundle = explorer._repr_mimebundle_()
    table, frame = bundle["text/html"].split("<iframe ")
    assert table.startswith("<div>") and table.endswith("</div>") and frame.endswith(f">{NOTE}</iframe>")
    assert unescape(re.search(r'srcdoc="([^"]*)"', frame)[1]) == explorer.html
    assert 'sandbox="allow-scripts"' in frame
    assert bundle["text/plain"] == str(explorer)


def test_the_table_is_of_text_and_colours_alone(explorer):
    """Elements and attributes that JupyterLab leaves in a notebook that is not trusted."""
    table = explorer._repr_mimebundle_()["text/html"].split("<iframe ")[0]
    assert set(re.findall(r"<(\w+)", table)) <= {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(re.findall(r"(\w+)=\"", table)) <= {"style", "colspan"}
    cells = [unescape(cell) for cell in re.findall(r"<th>([^<]*)</th>", table)]
    assert cells == ["written", "p", "天", "<", "b", ">", '"', "</s>"]


def test_what_was_looked_at_most(explorer):
    content = explorer.content
    weights = weights_of(entry_of(content, "cross"), -1, content["bits"]).mean(axis=0)
    lines = str(explorer).splitlines()
    assert lines[0] == f'{HOSTILE}  →  天<b>"' and len(lines) == 1 + len(content["target"]["written"])
    for line, row, loss in zip(lines[1:], weights, content["target"]["losses"], strict=True):
        best = np.argsort(-row, kind="stable")[:3]
        expected = "  ".join(f"{content['source']['tokens'][i]} {row[i]:.2f}" for i in best)
        assert line.endswith(f"  {np.exp(-loss):.3f}  ←  {expected}")


def test_a_long_answer_is_cut_in_the_table(speaking):
    explorer = attention_explorer(*speaking(max_len=50), "天气", answer="天" * 45, gradients=False)
    table = explorer._repr_mimebundle_()["text/html"].split("<iframe ")[0]
    assert table.count("<tr") == 41 and "… 6 more" in table


def test_it_says_what_it_is(explorer):
    assert repr(explorer) == f"AttentionExplorer({len(HOSTILE)} tokens read, 6 written)"
