"""The explorer in headless Chromium: what is chosen, pointed at and explained, and text that stays text."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from minisora.plotting.explorer import attention_explorer, budget
from minisora.plotting.explorer.content import entry_of, weights_of
from minisora.plotting.explorer.quantised import unpack

pytestmark = pytest.mark.browser

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
QUESTION, ANSWER = "天气怎么样？", "样么气怎"
HOSTILE = "</script><b>\"'&\u2028"
TERM = r"(−?[\d.]+(?:·10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?)"


class Visit:
    """The page of an explorer, with what the browser had to say."""

    def __init__(self, context, explorer, path):
        self.page, self.explorer, self.content = context.pages[0], explorer, explorer.content
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        context.on("request", lambda request: self.asked.append(request.url))
        explorer.save(path)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("#lines path")
        self.settle()

    def choose(self, group, number):
        """Press a button of a group, and wait until all is drawn."""
        self.page.locator(f"#{group} button").nth(number).click()
        self.settle()

    def settle(self):
        """Wait until the small pictures are drawn, which come last."""
        self.page.wait_for_timeout(50)
        self.until("document.querySelector('#heads canvas')?.width !== 300")

    def until(self, condition):
        """Wait for a condition; the page's policy lets no test put code into it that waits by itself."""
        for _ in range(200):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never came true: {condition}")

    def token(self, side, place):
        return self.page.locator(f"#lines .{side} .token").nth(place)

    def height_of(self, element):
        """How far below the top of the page an element begins, wherever the page is scrolled to."""
        return element.evaluate("one => one.getBoundingClientRect().top + scrollY")

    def lines(self):
        """(row, column) of every line that is drawn."""
        read = "paths => paths.map((path) => [Number(path.dataset.row), Number(path.dataset.column)])"
        return sorted(map(tuple, self.page.eval_on_selector_all("#lines path", read)))

    def weights(self, kind, layer, head):
        return weights_of(entry_of(self.content, kind), layer, self.content["bits"])[head]

    def cell(self, figure, row, column):
        """Go to a cell by arrows; returns the canvas, which has the focus."""
        canvas = self.page.locator("#matrices canvas").nth(figure)
        canvas.focus()
        for _ in range(12):
            canvas.press("ArrowUp")
            canvas.press("ArrowLeft")
        for _ in range(row):
            canvas.press("ArrowDown")
        for _ in range(column):
            canvas.press("ArrowRight")
        return canvas


@pytest.fixture
def visit(browser, speaking, tmp_path):
    """A function that opens the page of an answer, in English; each visit has to have been quiet."""
    visits = []

    def open_page(explorer=None, locale="en-GB", viewport=DESKTOP, **options):
        explorer = explorer or attention_explorer(*speaking("copies"), QUESTION, answer=ANSWER)
        visits.append(Visit(browser(locale=locale, viewport=viewport, **options), explorer, tmp_path / "page.html"))
        return visits[-1]

    yield open_page
    for one in visits:
        assert one.said == []
        assert all(url.startswith("file:") for url in one.asked), one.asked


def picture(page, name):
    """Keep the page, where MINISORA_SCREENSHOTS names a folder."""
    if folder := os.environ.get("MINISORA_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"explorer-{name}.png", full_page=True)


def number(text):
    """A number as the page writes it."""
    figures, _, power = text.replace("−", "-").partition("·10")
    exponent = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(figures) * 10.0 ** int(exponent or 0)


def test_kind_layer_and_head(visit):
    """Cross-attention's last layer comes first; every kind has its heads, tokens and lines."""
    one = visit()
    page = one.page
    assert page.inner_text("#view-title") == "Cross · Layer 3, head 1"
    assert page.locator("#heads button").count() == 6
    sizes = {"encoder": (6, 6), "decoder": (5, 5), "cross": (5, 6), "copy": (5, 6)}
    for place, (kind, (rows, columns)) in enumerate(sizes.items()):
        one.choose("kinds", place)
        assert page.locator("#lines .rows .token").count() == rows
        assert page.locator("#lines .columns .token").count() == columns
        layer = 0
        if kind != "copy":
            one.choose("heads", 3)
            assert page.inner_text("#view-title").endswith(" · Layer 2, head 2")
            layer = 1
        weights = one.weights(kind, layer, layer)
        drawn = np.argwhere(weights > 0.02 * weights.max())
        assert one.lines() == sorted(map(tuple, drawn.tolist())), kind
    assert not page.is_visible("#heads") and not page.is_visible("#quantities") and not page.is_visible("#loss")


def test_pointing_at_a_token(visit):
    """Where it looks, or who looks at it; what it has of each stands beside the others."""
    one = visit()
    weights = one.weights("cross", 2, 0)
    one.token("rows", 3).hover()
    assert {row for row, _ in one.lines()} == {3}
    assert "Where “怎” looks" in one.page.inner_text("#status")
    values = one.page.locator("#lines .columns .value").all_inner_texts()
    for text, weight in zip(values, weights[3], strict=True):
        if weight > 0.1:
            assert float(f"0{text}" if text.startswith(".") else text) == pytest.approx(weight, abs=0.0051)
    one.token("columns", 2).hover()
    assert {column for _, column in one.lines()} == {2}
    assert "Who looks at “怎”" in one.page.inner_text("#status")
    one.page.mouse.move(5, 5)
    assert len({row for row, _ in one.lines()}) == 5


def test_locking_a_token(visit):
    """It stays when the pointer goes; a token on the other side asks for the number between them; Esc lets go."""
    one = visit()
    one.token("rows", 1).click()
    one.token("rows", 4).hover()
    assert {row for row, _ in one.lines()} == {1} and "locked" in one.page.inner_text("#status")
    assert one.token("rows", 1).get_attribute("aria-pressed") == "true"
    one.token("columns", 5).click()
    assert one.page.inner_text("#number-title") == "“么” → “？”, layer 3, head 1"
    one.page.keyboard.press("Escape")
    one.page.mouse.move(5, 5)
    assert len({row for row, _ in one.lines()}) == 5 and "appears here" in one.page.inner_text("#number-body")


def test_the_formula_of_a_number(visit):
    """The values that are put in are the backward's, and so is what comes out."""
    one = visit()
    head, row, column = 1, 2, 4
    one.choose("heads", 2 * 2 + head)
    one.choose("views", 1)
    assert one.page.locator("#matrices canvas").count() == 3
    one.cell(2, row, column).press("Enter")
    said = one.page.inner_text(".formula")
    left = re.search(rf"=\s*{TERM} · \({TERM} − \(?{TERM}\)?\)\s*=\s*{TERM}\s*$", said)
    weight, dweight, mean, dscore = map(number, left.groups())
    packed = one.content["gradients"][0]["cross"][2]
    differences, means = unpack(packed, (2, 5, 6), 16, signed=True, means=True)
    weights = one.weights("cross", 2, head)
    assert weight == pytest.approx(weights[row, column], rel=1e-3)
    assert mean == pytest.approx(means[head, row], rel=1e-3)
    assert dweight == pytest.approx(means[head, row] + differences[head, row, column], rel=1e-3)
    assert dscore == pytest.approx(weights[row, column] * differences[head, row, column], rel=1e-3)
    assert dscore == pytest.approx(weight * (dweight - mean), rel=2e-2)
    products = one.page.locator(".terms tbody td:last-child").all_inner_texts()
    assert sum(map(number, products[:-1])) == pytest.approx(number(products[-1]), rel=2e-3)
    assert ("would fall" if dscore < 0 else "would rise") in one.page.inner_text("#number-body")
    picture(one.page, "number")


def test_matrices_beside_each_other(visit):
    """Pointing marks the same cell in all of them, and says its numbers."""
    one = visit()
    one.choose("views", 1)
    assert one.page.locator("#matrices b").all_inner_texts() == ["weights", "dweights", "dscores"]
    tops = [one.page.locator("#matrices canvas").nth(i).bounding_box()["y"] for i in range(3)]
    assert max(tops) - min(tops) < 2
    box = one.page.locator("#matrices canvas").nth(1).bounding_box()
    one.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"])
    status = one.page.inner_text("#status")
    assert re.fullmatch(rf"“.” → “.”: weights {TERM} · dweights {TERM} · dscores {TERM}", status)
    shown = one.page.eval_on_selector_all(".mark.row", "all => all.map((mark) => !mark.hidden && mark.offsetTop)")
    assert len(set(shown)) == 1 and shown[0] > 0
    one.page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"])
    assert one.page.locator(".formula").count() == 1
    one.choose("kinds", 1)
    one.cell(0, 1, 3).press("Enter")
    assert "cannot be seen" in one.page.inner_text("#number-body")


def test_the_colours_of_a_matrix_are_its_numbers(visit):
    """The darkest cell of the picture is that of the largest weight."""
    one = visit()
    one.choose("views", 1)
    weights = one.weights("cross", 2, 0)
    row, column = map(int, np.unravel_index(weights.argmax(), weights.shape))
    darkest = one.page.evaluate("""() => {
        const canvas = document.querySelector("#matrices canvas");
        const probe = document.querySelector("#heads button[aria-pressed=true] canvas");
        const data = probe.getContext("2d").getImageData(0, 0, probe.width, probe.height).data;
        let best = 0;
        const light = (i) => data[4 * i] + data[4 * i + 1] + data[4 * i + 2];
        for (let i = 1; i < probe.width * probe.height; i += 1) if (light(i) < light(best)) best = i;
        return [Math.floor(best / probe.width), best % probe.width, canvas.width > 0];
    }""")
    assert darkest == [row, column, True]


def test_gradients_as_lines(visit):
    """Positive and negative have two colours; the loss of one token has its own gradients."""
    one = visit()
    one.choose("quantities", 2)
    colours = one.page.eval_on_selector_all("#lines path", "all => all.map((path) => path.getAttribute('stroke'))")
    packed = one.content["gradients"][0]["cross"][2]
    dscores = one.weights("cross", 2, 0) * unpack(packed, (2, 5, 6), 16, signed=True, means=True)[0][0]
    drawn = np.abs(dscores) > 0.02 * np.abs(dscores).max()
    assert one.lines() == sorted(map(tuple, np.argwhere(drawn).tolist()))
    assert len(set(colours)) == 2
    assert sorted(map(colours.count, set(colours))) == sorted([(dscores[drawn] > 0).sum(), (dscores[drawn] < 0).sum()])
    one.page.select_option("#loss", label=one.page.locator("#loss option").nth(2).inner_text())
    one.until("Math.max(...[...document.querySelectorAll('#lines path')].map((path) => path.dataset.row)) <= 1")
    assert {row for row, _ in one.lines()} <= {0, 1}
    picture(one.page, "gradients")


def test_step_by_step(visit):
    """Later tokens have not been written yet; the gradient follows; candidates stand beside the step."""
    one = visit()
    page = one.page
    page.click("#on")
    page.click("#on")
    one.settle()
    assert page.input_value("#step") == "1" and page.locator("#target .chip.later").count() == 3
    assert {row for row, _ in one.lines()} == {1}
    labels = page.locator("#candidates li .label").all_inner_texts()
    assert labels == [label for label, _ in one.content["target"]["candidates"][1]]
    assert "“样” was just read" in page.inner_text("#candidates")
    assert page.eval_on_selector("#loss", "(select) => select.selectedOptions[0].textContent").startswith("2. 么")
    page.click("#play")
    one.until("document.getElementById('step').value === '2'")
    page.click("#play")
    at = page.input_value("#step")
    page.wait_for_timeout(1200)
    assert page.input_value("#step") == at
    page.locator("#target .chip").nth(4).click()
    one.until("document.getElementById('step').value === '4'")
    page.click("#on")
    one.until("document.getElementById('step').value === '5'")
    assert page.locator("#target .chip.later").count() == 0
    page.locator("#step").press("ArrowLeft")
    one.settle()
    assert page.locator("#target .chip[aria-pressed=true]").inner_text() == "</s>"
    page.click("#whole")
    page.locator("#source .chip").nth(3).click()
    one.settle()
    assert {column for _, column in one.lines()} == {3}


def test_by_keyboard_alone(visit):
    """Tokens and heads by arrows, a lock by Enter, a number by Enter on the other side."""
    one = visit()
    page = one.page
    one.token("rows", 0).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    assert {row for row, _ in one.lines()} == {1}
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.inner_text("#number-title").startswith("“么” → “")
    page.keyboard.press("Escape")
    page.locator("#heads button").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    one.settle()
    assert page.inner_text("#view-title") == "Cross · Layer 2, head 2"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Layer 2, head 2"
    one.choose("views", 1)
    reached = []
    page.locator("#language").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"play", "step", "loss", "CANVAS"} <= set(reached)


def test_hostile_tokens(visit, speaking):
    """They show as they are written, and run nothing."""
    explorer = attention_explorer(*speaking(), HOSTILE, answer='<b>"')
    one = visit(explorer)
    assert one.page.title().startswith("</script><b>\"'&")
    assert "".join(one.page.locator("#source .chip").all_inner_texts()).startswith("</script><b>\"'&")
    assert one.page.locator("main b, main script").count() == 0
    one.token("rows", 1).click()
    one.token("columns", 0).click()
    assert "“b” → “<”" in one.page.inner_text("#number-title")
    one.choose("views", 1)
    assert one.page.locator("main script").count() == 0


def test_the_policy_holds_even_where_the_page_would_not(visit):
    one = visit()
    tried = one.page.evaluate("""() => {
        const script = document.createElement("script");
        try { script.textContent = "window.ran = true"; document.head.append(script); } catch {}
        try { document.body.innerHTML = "<b>"; window.ran = true; } catch {}
        return window.ran === undefined;
    }""")
    assert tried
    one.said.clear()  # the browser's own notes of what it refused


def test_both_languages(visit):
    one = visit(locale="zh-CN")
    page = one.page
    assert page.get_attribute("html", "lang") == "zh-CN" and page.inner_text("h1") == "注意力浏览器"
    one.token("rows", 1).click()
    one.token("columns", 1).click()
    assert "3 层 1 头" in page.inner_text("#number-title")
    page.click("#language")
    one.settle()
    assert page.get_attribute("html", "lang") == "en" and page.inner_text("h1") == "Attention explorer"
    assert "layer 3, head 1" in page.inner_text("#number-title")
    assert page.eval_on_selector_all("[data-text]", "all => all.every((each) => each.textContent)")
    assert not re.search("[读写损失层头]", page.inner_text("#choice") + page.inner_text("#view-title"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(visit, scheme):
    """Nothing is wider than the screen, in either view."""
    one = visit(locale="zh-CN", viewport=PHONE, color_scheme=scheme)
    for kind in range(4):
        one.choose("kinds", kind)
        for view in (1, 0):
            one.choose("views", view)
            assert one.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    one.choose("kinds", 2)
    before = one.height_of(one.token("columns", 1))
    one.token("rows", 1).click()
    assert one.height_of(one.token("columns", 1)) == before  # what is said about it moves nothing
    one.token("columns", 1).click()
    assert one.page.locator(".terms td").count() > 20
    assert one.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    one.page.evaluate("for (const each of document.querySelectorAll('.terms td')) each.style.letterSpacing = '1em'")
    assert one.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")  # numbers can be longer
    picture(one.page, f"phone-{scheme}")


def test_the_scheme_changes_while_it_is_open(visit):
    one = visit(color_scheme="light")
    first = one.page.get_attribute("#lines path", "stroke")
    one.page.emulate_media(color_scheme="dark")
    one.until(f"document.querySelector('#lines path').getAttribute('stroke') !== '{first}'")


def test_without_gradients_and_with_an_encoder_that_recurs(visit, speaking):
    one = visit(attention_explorer(*speaking("recurrent"), QUESTION, answer=ANSWER, gradients=False))
    assert not one.page.is_visible("#loss") and not one.page.is_visible("#quantities")
    one.choose("kinds", 0)
    assert one.page.inner_text("#view-title") == "Encoder · Layer 1, head 1"
    one.choose("views", 1)
    assert one.page.locator("#matrices canvas").count() == 1
    one.cell(0, 1, 2).press("Enter")
    assert "no gradient" in one.page.inner_text("#number-body")


def test_512_tokens(visit, speaking, monkeypatch):
    """Rows are thinned, and the page says so; the strongest lines alone are drawn; all that is pointed at answers."""
    monkeypatch.setattr(budget, "THINNED_ABOVE", 1_000_000)
    model, tokenizer = speaking(max_len=512)
    text = (QUESTION * 86)[:512]
    explorer = attention_explorer(model, tokenizer, text, answer=text[:511], tokens=[300])
    assert explorer.content["kept"] == 32
    one = visit(explorer)
    page = one.page
    assert "of each row only the 32 largest are stored" in page.inner_text("#stored")
    assert len(one.lines()) == 1000 and "The strongest 1000 of" in page.inner_text("#drawn")
    one.token("rows", 9).hover()
    assert {row for row, _ in one.lines()} == {9} and 1 <= len(one.lines()) <= 32
    one.token("rows", 9).click()
    column = one.lines()[0][1]
    one.token("columns", column).click()
    assert page.locator(".formula").count() == 1
    one.choose("views", 1)
    box = page.locator("#matrices canvas").first.bounding_box()
    assert box["width"] >= 512
    weights = one.weights("cross", 1, 0)
    row = 100
    column = int(weights[row].argmax())
    page.mouse.move(box["x"] + column + 0.5, box["y"] + row + 0.5)
    assert "weights" in page.inner_text("#status") and "Of each row the 32 largest" in page.inner_text("#drawn")
    page.locator("#target .chip").nth(300).click()
    one.settle()
    one.choose("views", 0)
    assert {row for row, _ in one.lines()} == {300}


def test_in_a_notebook(browser, speaking, tmp_path):
    """Trusted: a table, and the page in a frame that works. Untrusted: frames and scripts go, and the table stays."""
    explorer = attention_explorer(*speaking(), HOSTILE, answer=ANSWER)
    shown = explorer._repr_mimebundle_()["text/html"]
    page = browser(viewport=DESKTOP).pages[0]
    (tmp_path / "notebook.html").write_text(f"<!doctype html><meta charset=utf-8>{shown}", encoding="utf-8")
    page.goto((tmp_path / "notebook.html").as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("#lines path").first.wait_for()
    frame.locator("#views button").nth(1).click()
    frame.locator("#matrices canvas").first.wait_for()
    assert page.locator("table tbody tr").count() == 5
    page.evaluate("for (const each of document.querySelectorAll('iframe, script, style')) each.remove()")
    assert page.locator("tbody th").all_inner_texts() == [*ANSWER, "</s>"]
    assert "</script><b>" in page.inner_text("body") and page.locator("table td").first.is_visible()
    colours = page.eval_on_selector_all("td[style]", "all => all.map((td) => getComputedStyle(td).backgroundColor)")
    assert len(set(colours)) > 2
