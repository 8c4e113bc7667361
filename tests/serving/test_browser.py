"""The page in headless Chromium: an answer that streams in, both languages, and text that stays text."""

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

pytestmark = pytest.mark.browser

QUESTION, ANSWER = "今天天气怎么样？", "今天天气晴朗，气温适中。"
DESKTOP, PHONE = {"width": 1200, "height": 800}, {"width": 390, "height": 780}
MARKUP = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"


class Visit:
    """The page, with what the browser had to say and whom it asked."""

    def __init__(self, context, server):
        self.page, self.server = context.pages[0], server
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        context.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(server.url)
        self.page.wait_for_selector(".suggestion")

    def ask(self, question):
        """Type a question, press Enter, and return the turn when it has ended."""
        self.page.fill("#question", question)
        self.page.press("#question", "Enter")
        return self.last()

    def last(self):
        """The last turn, when it has ended."""
        turn = self.page.locator(".turn").last
        turn.locator(".note").first.wait_for()
        return turn

    def was_quiet(self):
        """Nothing broke the policy or an assumption, and nobody but the server was asked."""
        assert self.said == []
        assert all(url.startswith((self.server.url, f"blob:{self.server.url}")) for url in self.asked), self.asked


@pytest.fixture
def visit(browser, server):
    """A function that visits the page, in Chinese unless said otherwise; each visit has to have been quiet."""
    visits = []

    def open_page(locale="zh-CN", viewport=DESKTOP, **options):
        visits.append(Visit(browser(locale=locale, viewport=viewport, **options), server))
        return visits[-1]

    yield open_page
    for one in visits:
        one.was_quiet()


def picture(page, name):
    """Keep what can be seen, where MINISORA_SCREENSHOTS names a folder."""
    if folder := os.environ.get("MINISORA_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_the_answer_streams_in(visit):
    """Every length of the answer from nothing to all is seen on its way."""
    page = (one := visit()).page
    page.evaluate("""() => {
        window.seen = [];
        const note = () => window.seen.push(document.querySelector(".answer")?.textContent.length ?? 0);
        new MutationObserver(note).observe(document.getElementById("log"), {childList: true, subtree: true});
    }""")
    turn = one.ask(QUESTION)
    assert turn.locator(".answer").inner_text() == ANSWER
    assert turn.locator(".said").inner_text() == QUESTION
    assert "编的" in turn.locator(".note").inner_text()
    seen = page.evaluate("window.seen")
    assert seen == sorted(seen) and len(set(seen)) > 3
    assert page.locator("#log").get_attribute("aria-live") == "polite"
    assert page.evaluate("document.activeElement.id") == "question" and page.input_value("#question") == ""
    picture(page, "desktop")


def test_both_languages(visit):
    """The page begins in the browser's language; what is there already is switched too."""
    one = visit(locale="en-GB")
    page = one.page
    assert page.get_attribute("html", "lang") == "en" and page.inner_text("#send") == "Ask"
    page.select_option("#example", "1")
    page.locator(".suggestion").first.click()
    turn = one.last()
    assert turn.locator(".answer").inner_text() == "明天北京有小雨，建议带伞。"
    assert "From the 4 facts above" in turn.locator(".note").inner_text()
    picture(page, "desktop-english")
    page.click("#language")
    assert page.get_attribute("html", "lang") == "zh-CN" and page.inner_text("#send") == "提问"
    assert "4 条资料" in turn.locator(".note").inner_text()
    assert page.eval_on_selector_all("[data-text]", "all => all.every((each) => each.textContent)")


def test_follow_ups(visit):
    """An example with follow-ups reads the earlier questions too."""
    one = visit()
    one.page.select_option("#example", "2")
    assert one.page.is_checked("#follow")
    answers = []
    for i in range(2):
        one.page.locator(".suggestion").nth(i).click()
        answers.append(one.last().locator(".answer").inner_text())
        one.page.wait_for_selector("#send")
    assert answers == ["周五南京是晴天，不用带伞。", "周五苏州有大雨，建议带伞。"]
    one.page.click("#new")
    assert one.page.locator(".turn").count() == 0


def test_text_is_only_ever_text(visit):
    """Markup in a question, in the facts and in an error shows as it is written, and runs nothing."""
    one = visit()
    page, title = one.page, one.page.title()
    page.fill("#facts", f"城市={MARKUP}")
    turn = one.ask(MARKUP)
    assert turn.locator(".said").inner_text() == MARKUP
    assert turn.locator(".given li").inner_text() == f"城市={MARKUP}"
    page.fill("#facts", "<script>document.title</script>")
    assert page.inner_text("#facts-error").endswith("<script>document.title</script>")
    assert page.title() == title and page.locator("#log img, #log script, #context-panel img").count() == 0


def test_the_policy_holds_even_where_the_page_would_not(browser, server):
    """The browser lets nobody make markup of text."""
    context = browser()
    page = context.pages[0]
    page.goto(server.url)
    refused = page.evaluate("() => { try { document.body.innerHTML = '<b>'; return false } catch { return true } }")
    assert refused


def test_a_mistake_is_said_in_the_language_of_the_page(visit):
    """The server's sentence, and the next question is answered."""
    one = visit()
    turn = one.ask("天" * 300)
    assert "太长" in turn.locator(".note").inner_text()
    one.page.click("#language")
    assert "too long" in turn.locator(".note").inner_text()
    assert one.ask(QUESTION).locator(".answer").inner_text() == ANSWER
    one.said = [text for text in one.said if "422" not in text]  # the browser's own note of the status


def test_the_attention_is_a_file(visit, tmp_path):
    """The button under an answer saves what attention looked at."""
    one = visit()
    turn = one.ask(QUESTION)
    with one.page.expect_download() as download:
        turn.locator("button").last.click()
    assert download.value.suggested_filename == "attention.json"
    content = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert content["format"] == "minisora-attention" and content["target"]["text"] == ANSWER


def test_attention_can_be_looked_at(visit):
    """The button opens the explorer, which asks for the same question; its address says nothing of it."""
    one = visit()
    turn = one.ask(QUESTION)
    with one.page.context.expect_page() as opened:
        turn.locator("button.look").click()
    page = opened.value
    page.on("console", lambda message: one.said.append(message.text))
    page.wait_for_selector("#lines path")
    assert page.url == f"{one.server.url}explorer/"
    assert "".join(page.locator("#target .chip").all_inner_texts()) == f"{ANSWER}</s>"
    assert "".join(page.locator("#source .chip").all_inner_texts()) == QUESTION
    picture(page, "attention")
    page.locator("#quantities button").last.click()
    page.locator("#lines path").nth(3).wait_for(state="attached")
    page.reload()  # the page that opened it is asked again
    page.wait_for_selector("#lines path")
    one.page.close()
    page.reload()
    page.locator("#waiting", has_text="再打开一次").wait_for()


def test_the_explorer_says_what_the_server_says(visit):
    """Here that it has no place for more."""
    one = visit(locale="en-GB")
    turn = one.ask(QUESTION)
    busy = {"error": {"code": "busy", "zh": "忙", "en": "Too many are asking."}}
    one.page.context.route("**/explorer/content", lambda route: route.fulfill(status=503, json=busy))
    with one.page.context.expect_page() as opened:
        turn.locator("button.look").click()
    opened.value.locator("#waiting", has_text="Too many are asking.").wait_for()


def test_an_answer_can_be_stopped(visit):
    """What has come stays, and the page says that it was stopped."""
    one = visit()
    page = one.page
    page.route("**/answer", lambda route: None)  # an answer that does not come
    page.fill("#question", QUESTION)
    page.press("#question", "Enter")
    assert page.locator("#log").get_attribute("aria-busy") == "true" and not page.is_visible("#send")
    page.click("#stop")
    assert one.last().locator(".note").inner_text() == "已停下。" and page.is_visible("#send")
    page.unroute("**/answer")
    assert one.ask(QUESTION).locator(".answer").inner_text() == ANSWER


def test_by_keyboard_alone(visit):
    """From the question to the button under its answer, and a line break that does not send."""
    one = visit()
    page = one.page
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.type("今天")
    page.keyboard.press("Shift+Enter")
    assert page.locator(".turn").count() == 0
    page.keyboard.press("Backspace")
    page.keyboard.type("天气怎么样？")
    page.keyboard.press("Enter")
    assert one.last().locator(".answer").inner_text() == ANSWER
    names = []
    for _ in range(14):
        page.keyboard.press("Shift+Tab")
        names.append(page.evaluate("document.activeElement.textContent || document.activeElement.id"))
    assert "注意力（JSON）" in names and "facts" in names and "English" in names


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(visit, scheme):
    """Nothing is wider than the screen; the question can be reached without scrolling."""
    one = visit(viewport=PHONE, color_scheme=scheme)
    page = one.page
    page.click("#context-panel summary")
    page.select_option("#example", "1")
    panel, talk = page.locator("#context-panel").bounding_box(), page.locator("#talk").bounding_box()
    assert panel["y"] + panel["height"] <= talk["y"]
    picture(page, f"phone-{scheme}-context")
    page.click("#context-panel summary")
    page.locator(".suggestion").first.click()
    one.last()
    one.ask(QUESTION)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = page.locator("#question").bounding_box()
    assert box["y"] + box["height"] < PHONE["height"]
    picture(page, f"phone-{scheme}")


def test_dark_on_a_desk(visit):
    one = visit(color_scheme="dark")
    one.page.select_option("#example", "5")
    for suggestion in one.page.locator(".suggestion").all():
        suggestion.click()
        one.last()
        one.page.wait_for_selector("#send")
    picture(one.page, "desktop-dark")
