"""Make the pictures of the explorer for the README: ``python tests/plotting/explorer/make_screenshots.py FOLDER``.

Needs the extra ``browser``, Chromium and a font with Chinese characters. The pictures are made of the bundled model, so
they are made again when it has changed.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from minisora.checkpoint import load
from minisora.plotting.explorer import attention_explorer

QUESTION = "城市=北京;日期=明天;天气=小雨|明天北京要带伞吗？"
SIZE = {"width": 1180, "height": 900}
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu")


def lines(page):
    """Cross-attention as lines, one token of the answer pointed at."""
    page.locator("#lines .rows .token").nth(6).hover()


def gradients(page):
    """Weights, dweights and dscores side by side, one number of them explained."""
    page.locator("#views button").nth(1).click()
    page.wait_for_selector("#matrices canvas")
    page.locator("#target button").nth(0).click()
    canvas = page.locator("#matrices canvas").nth(2)
    canvas.wait_for()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + 0.43 * box["width"], box["y"] + 0.16 * box["height"])  # 明 → 明


def dark(page):
    """Where the copy head copies from, at night."""
    page.locator("#kinds button").nth(3).click()
    page.locator("#lines .rows .token").nth(5).hover()


PICTURES = {  # name: what is done, language, colours
    "lines": (lines, "en", "light"),
    "gradients": (gradients, "zh", "light"),
    "dark": (dark, "en", "dark"),
}


def main(folder):
    """Write one PNG for each of `PICTURES`."""
    model, tokenizer, _ = load("sora/sora-base")
    with TemporaryDirectory() as temporary, sync_playwright() as playwright:
        address = Path(temporary, "page.html")
        attention_explorer(model, tokenizer, QUESTION).save(address)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, (act, language, colours) in PICTURES.items():
            page = browser.new_page(viewport=SIZE, locale=language, color_scheme=colours)
            page.goto(address.as_uri())
            page.wait_for_selector("#lines path")
            act(page)
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(500)
            page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)
            page.close()


if __name__ == "__main__":
    main(sys.argv[1])
