"""The explorer's output in JupyterLab itself: what is left before the notebook is trusted, and what comes after.

The server has folders of its own for all that Jupyter keeps, and ends itself when a test run was killed.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from minisora.plotting.explorer import attention_explorer
from minisora.plotting.explorer.notebook import NOTE, OPAQUE

pytestmark = pytest.mark.browser

WINDOW = {"width": 1280, "height": 1700}
HOSTILE = "</script><img src=x onerror=alert()>"
ANSWER = '天<b>"气'
OUTPUT = ".jp-OutputArea-output"
SETTINGS = {  # one page asks for dark colours, another for light ones; nothing is asked of the network
    "themes": {"adaptive-theme": True},
    "notification": {"fetchNews": "false", "checkForUpdates": False},
}
OPTIONS = (
    "--no-browser --ServerApp.ip=127.0.0.1 --ServerApp.port=0 --ServerApp.allow_root=True "
    "--LabApp.expose_app_in_browser=True --LabApp.extension_manager=readonly "
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --ServerApp.shutdown_no_activity_timeout=120 "
    "--MappingKernelManager.cull_idle_timeout=60 --MappingKernelManager.cull_interval=30 "
    "--MappingKernelManager.cull_connected=True"
).split()
START_SECONDS, STOP_SECONDS = 120, 30


def environment(folder):
    """The environment of a server whose every folder lies in this one."""
    own = {f"JUPYTER_{name.upper()}_DIR": str(folder / name) for name in ("config", "data", "runtime")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    return kept | own | {"IPYTHONDIR": str(folder / "ipython")}


def write_settings(folder):
    """What a user would have chosen in JupyterLab's menus."""
    settings = folder / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    for name, values in SETTINGS.items():
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values), encoding="utf-8")


@contextmanager
def running_jupyterlab(folder):
    """JupyterLab on a free port: a function from a notebook's name to its address, valid until the block ends."""
    (folder / "notebooks").mkdir()
    write_settings(folder)
    command = [sys.executable, "-m", "jupyterlab", *OPTIONS, f"--ServerApp.root_dir={folder / 'notebooks'}"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdout=log, stderr=log, start_new_session=True
        )
    try:
        said = wait_for_server(process, folder)
        yield lambda name: f"http://127.0.0.1:{said['port']}/doc/tree/{name}?token={said['token']}"
    finally:
        stop(process)


def wait_for_server(process, folder):
    """What the server wrote about itself when it was ready: its port, its token and more."""
    for _ in range(10 * START_SECONDS):
        for path in (folder / "runtime").glob(f"jpserver-{process.pid}.json"):
            if text := path.read_text(encoding="utf-8"):
                return json.loads(text)
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{(folder / 'log').read_text(encoding='utf-8')}")


def stop(process):
    """End the server and its kernels: politely, which ends the kernels, and then by force."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # a kernel whose server is gone ends itself
        process.wait()


@pytest.fixture(scope="module")
def jupyterlab(browser, tmp_path_factory):
    """A folder for notebooks, and what gives their address."""
    pytest.importorskip("jupyterlab", reason="needs the extra notebooks")
    folder = tmp_path_factory.mktemp("jupyterlab")
    with running_jupyterlab(folder) as address:
        yield folder / "notebooks", address


class Visit:
    """A notebook in JupyterLab, with what happened that should not."""

    def __init__(self, context, address):
        self.page, self.wrong = context.pages[0], []
        server = address.partition("/doc")[0]
        self.page.on("dialog", self.dismiss)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda message: self.note(message, server))
        context.on("request", lambda request: self.check(request.url, server))
        self.page.goto(address)
        self.output = self.page.locator(OUTPUT)
        self.output.locator("table").wait_for()

    def dismiss(self, dialog):
        self.wrong.append(dialog.message)
        dialog.dismiss()

    def note(self, message, server):
        """JupyterLab's own scripts speak too; what comes from anywhere else is ours."""
        if not message.location["url"].startswith(server):
            self.wrong.append(message.text)

    def check(self, url, server):
        if not url.startswith((server, "data:", "blob:", "about:")) or url.endswith("/x"):
            self.wrong.append(url)

    def trust(self):
        """By the command that the note names, and its question answered; the palette closes while a notebook opens."""
        self.page.wait_for_function("window.jupyterapp.commands.isEnabled('notebook:trust')")
        assert self.page.evaluate("window.jupyterapp.commands.label('notebook:trust')") == "Trust Notebook"
        self.page.evaluate("void window.jupyterapp.commands.execute('notebook:trust')")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.output.locator("iframe").wait_for()


def sharp(model, tokenizer):
    """The model with weights of cross-attention that come close to 1, so that the table has its strongest colours."""
    for name, parameter in model.parameters():
        if "cross" in name:
            parameter.data *= 3
    return model, tokenizer


@pytest.fixture
def visit(browser, jupyterlab, speaking):
    """A function that writes a notebook with an answer as its output, as if it came from elsewhere, and opens it."""
    nbformat = pytest.importorskip("nbformat", reason="needs the extra notebooks")
    folder, address = jupyterlab
    visits = []

    def open_notebook(scheme):
        explorer = attention_explorer(*sharp(*speaking(max_len=50, num_heads=1)), HOSTILE, answer=ANSWER)
        output = nbformat.v4.new_output("execute_result", explorer._repr_mimebundle_(), execution_count=1)
        cell = nbformat.v4.new_code_cell("explorer", execution_count=1, outputs=[output])
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), folder / f"{scheme}.ipynb")
        context = browser(viewport=WINDOW, color_scheme=scheme, locale="en-GB")
        visits.append(Visit(context, address(f"{scheme}.ipynb")))
        return visits[-1]

    yield open_notebook
    for one in visits:
        assert one.wrong == []


def picture(page, name):
    """Keep what can be seen, where MINISORA_SCREENSHOTS names a folder."""
    if folder := os.environ.get("MINISORA_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"jupyterlab-{name}.png")


def luminance(colour):
    """Relative luminance of sRGB colours (..., 3) from 0 to 255, as WCAG 2 defines it."""
    colour = np.asarray(colour) / 255
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def backgrounds(elements):
    """Of each the colour that it has itself."""
    return elements.evaluate_all("all => all.map((one) => getComputedStyle(one).backgroundColor)")


def contrasts(cells):
    """Of each cell the contrast of its text; colours with an alpha lie over those of the elements around."""
    stacks = cells.evaluate_all("""all => all.map((cell) => {
        const colours = [getComputedStyle(cell).color];
        for (let one = cell; one; one = one.parentElement) colours.push(getComputedStyle(one).backgroundColor);
        return colours;
    })""")
    for text, *grounds in stacks:
        behind = np.full(3, 255.0)
        for ground in reversed(grounds):
            behind = over(ground, behind)
        low, high = sorted(luminance([over(text, behind), behind]))
        yield (high + 0.05) / (low + 0.05)


def over(colour, behind):
    """A colour as CSS writes it, rgb(...) or rgba(...), seen over another (3,)."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", colour)]
    alpha = numbers[3] if len(numbers) > 3 else 1.0
    return alpha * np.array(numbers[:3]) + (1 - alpha) * behind


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_before_and_after_it_is_trusted(visit, scheme):
    """Before: the table, its colours and a note, and nothing runs. After: the page, which draws and reacts."""
    one = visit(scheme)
    output = one.output
    one.page.locator(f"body[data-jp-theme-light={str(scheme == 'light').lower()}]").wait_for(state="attached")
    assert output.locator("tbody th").all_inner_texts() == [*ANSWER, "</s>"]
    assert HOSTILE in output.inner_text() and output.locator("tbody td").first.is_visible()
    assert output.locator("iframe, script, img").count() == 0
    assert NOTE in output.inner_text()
    weights = [float(text.split()[-1]) for text in output.locator("td[style]").all_inner_texts()]
    shades = [float(re.search(r"([\d.]+)\)$", colour)[1]) for colour in backgrounds(output.locator("td[style]"))]
    assert shades == pytest.approx([OPAQUE * weight for weight in weights], abs=0.006) and max(weights) > 0.9
    assert set(backgrounds(output.locator("tbody tr"))) == {"rgba(0, 0, 0, 0)"}  # no stripes that mix into colours
    assert min(contrasts(output.locator("th, td"))) >= 4.5
    picture(one.page, f"{scheme}-untrusted")

    one.trust()
    assert output.locator("tbody th").all_inner_texts() == [*ANSWER, "</s>"]
    assert NOTE not in output.inner_text()
    frame = output.frame_locator("iframe")
    frame.locator("#lines path").first.wait_for()
    picture(one.page, f"{scheme}-trusted")
    frame.locator("#lines .rows .token").nth(1).click()
    frame.locator("#lines .columns .token").nth(2).click()
    assert frame.locator("#number-title").inner_text() == "“<” → “s”, layer 2, head 1"
    frame.locator("#views button").nth(1).click()
    frame.locator("#matrices canvas").first.wait_for()
    picture(one.page, f"{scheme}-number")
