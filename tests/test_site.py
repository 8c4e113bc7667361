"""The machinery of the notebooks, on small ones: the .ipynb is made, the cells run, the pages fetch nothing."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from lesson_files import FOLDER

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDED = ("jupytext", "myst_nb", "furo", "mathjax")
HEADER = (FOLDER / "first_look.py").read_text(encoding="utf-8").partition("# %%")[0]
LESSON = r"""# %% [markdown]
# # One sum
#
# 求和。The sum of the first $n$ squares, $\sum_{i \le n} i^2 = \frac{n (n + 1) (2 n + 1)}{6}$:
#
# $$\mathrm{d}x = \frac{\gamma}{\sigma} \left( \mathrm{d}\hat{x} - \overline{\mathrm{d}\hat{x}} \right)$$

# %%
print(sum(i**2 for i in range(8)))


# %%
class Frame:
    def _repr_html_(self):
        return '<iframe srcdoc="<p>140</p>" title="a frame"></iframe>'


Frame()
"""


def small_notebooks(folder):
    """A folder like notebooks/, with its machinery, three times the same lesson."""
    shutil.copytree(FOLDER / "site", folder / "site", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "applications").mkdir()
    (folder / "README.md").write_text("# Lessons\n\n[The first](01_one_sum.ipynb)\n", encoding="utf-8")
    for name in ("first_look", "01_one_sum", "applications/one_more"):
        (folder / f"{name}.py").write_text(HEADER + LESSON, encoding="utf-8")
    return folder


@pytest.fixture
def notebooks(tmp_path):
    return small_notebooks(tmp_path / "notebooks")


def run(notebooks, script, *arguments):
    """Run a script of the machinery from another folder."""
    command = [sys.executable, notebooks / "site" / f"{script}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=notebooks.parent, capture_output=True, encoding="utf-8")


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


class TestMakeIpynb:
    @pytest.fixture(autouse=True)
    def extra(self):
        pytest.importorskip("jupytext", reason="needs the extra notebooks")

    def test_the_committed_notebooks_are_what_it_makes(self):
        done = run(FOLDER, "make_ipynb", "--check")
        assert done.returncode == 0, done.stdout + done.stderr

    def test_check_finds_what_differs_and_writes_nothing(self, notebooks):
        assert run(notebooks, "make_ipynb").returncode == 0
        assert run(notebooks, "make_ipynb", "--check").returncode == 0
        change(notebooks / "01_one_sum.py", "range(8)", "range(9)")
        before = (notebooks / "01_one_sum.ipynb").read_bytes()
        done = run(notebooks, "make_ipynb", "--check")
        assert done.returncode == 1
        assert "01_one_sum.ipynb" in done.stdout and "applications" not in done.stdout
        assert (notebooks / "01_one_sum.ipynb").read_bytes() == before

    def test_the_same_source_gives_the_same_bytes(self, notebooks):
        run(notebooks, "make_ipynb")
        first, second = (notebooks / f"{name}.ipynb" for name in ("first_look", "applications/one_more"))
        assert first.read_bytes() == second.read_bytes()
        cells = json.loads(first.read_text(encoding="utf-8"))["cells"]
        assert [cell["id"] for cell in cells] == ["cell-00", "cell-01", "cell-02"]
        assert [cell["metadata"] for cell in cells] == [{}] * 3


class TestExecute:
    @pytest.fixture(autouse=True)
    def extra(self):
        pytest.importorskip("nbmake", reason="needs the extra notebooks")

    def test_outputs_are_kept_in_the_copy_and_a_warning_is_an_error(self, notebooks):
        (notebooks / "applications" / "one_more.py").unlink()  # two kernels are enough
        change(notebooks / "first_look.py", "print(sum", 'import warnings\n\nwarnings.warn("not so")\nprint(sum')
        run(notebooks, "make_ipynb")
        done = run(notebooks, "execute", notebooks.parent / "executed")
        assert done.returncode == 1
        assert "first_look.ipynb FAILED" in done.stdout and "01_one_sum.ipynb PASSED" in done.stdout
        assert re.search(r"UserWarning\S*: not so", done.stdout)
        kept, source = (
            json.loads((notebooks.parent / path / "01_one_sum.ipynb").read_text(encoding="utf-8"))["cells"]
            for path in ("executed", "notebooks")
        )
        assert kept[1]["outputs"][0]["text"] == ["140\n"]
        assert source[1]["outputs"] == []

    def test_a_folder_with_something_in_it_is_refused(self, notebooks):
        done = run(notebooks, "execute", notebooks)
        assert done.returncode == 1
        assert "must be empty or new" in done.stderr


def with_outputs(notebooks):
    """A folder of notebooks as execute.py leaves it, made here without a kernel."""
    run(notebooks, "make_ipynb")
    folder = notebooks.parent / "executed"
    shutil.copytree(notebooks, folder, ignore=shutil.ignore_patterns("site", "*.py"))
    said = "minisora: compiling the kernel numba for float32; it is kept on disk for the next time\n"
    for path in folder.rglob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"][1]["outputs"] = [
            {"output_type": "stream", "name": "stdout", "text": ["140\n"]},
            {"output_type": "stream", "name": "stderr", "text": [said]},
        ]
        frame = {"text/html": ['<iframe srcdoc="<p>140</p>" title="a frame"></iframe>'], "text/plain": ["a frame"]}
        shown = {"output_type": "execute_result", "execution_count": 2, "metadata": {}, "data": frame}
        notebook["cells"][2]["outputs"] = [shown]
        path.write_text(json.dumps(notebook), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of the small notebooks."""
    for module in NEEDED:
        pytest.importorskip(module, reason="needs the extra site")
    notebooks = small_notebooks(tmp_path_factory.mktemp("site") / "notebooks")
    out = notebooks.parent / "pages"
    done = run(notebooks, "make_html", out, "--executed", with_outputs(notebooks))
    assert done.returncode == 0, done.stderr
    return out


def test_the_pages_have_the_outputs_and_a_mathjax_of_their_own(pages):
    lesson = (pages / "01_one_sum.html").read_text(encoding="utf-8")
    assert "compiling the kernel" not in lesson
    assert "140" in lesson and "<iframe srcdoc=" in lesson and "求和" in lesson
    assert 'src="_static/mathjax/startup.js' in lesson
    assert "Apache License" in (pages / "_static" / "mathjax" / "LICENSE").read_text(encoding="utf-8")
    index = (pages / "index.html").read_text(encoding="utf-8")
    assert index.index("1. One sum") < index.index("applications/one_more.html")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_formulas_are_set_without_a_network(pages):
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra browser")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for width in (390, 1280):
            page = browser.new_page(viewport={"width": width, "height": 800})
            asked, said = [], []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.goto((pages / "01_one_sum.html").as_uri())
            page.wait_for_function("document.querySelectorAll('mjx-container > svg').length == 3")
            assert page.locator("[data-mjx-error]").count() == 0
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert said == []
            assert all(url.startswith(("file:", "data:", "about:")) for url in asked), asked
        browser.close()


class TestWhatAReaderShouldNotMeet:
    @pytest.fixture(autouse=True)
    def extra(self):
        for module in NEEDED:
            pytest.importorskip(module, reason="needs the extra site")

    def test_a_warning_is_an_error(self, notebooks):
        executed = with_outputs(notebooks)
        change(executed / "01_one_sum.ipynb", '"name": "stdout"', '"name": "stderr"')
        change(executed / "01_one_sum.ipynb", "# One sum", "# One sum\\n\\n[lost](lost.ipynb)")
        (executed / "applications" / "one_more.ipynb").unlink()
        done = run(notebooks, "make_html", notebooks.parent / "pages", "--executed", executed)
        assert done.returncode == 1
        for said in ("stderr was found", "lost.ipynb", "applications/one_more"):
            assert said in done.stderr

    def test_a_page_that_would_fetch_something_is_an_error(self, notebooks):
        executed = with_outputs(notebooks)
        change(executed / "01_one_sum.ipynb", "<p>140</p>", "<script src='https://example.org/d3.js'></script>")
        done = run(notebooks, "make_html", notebooks.parent / "pages", "--executed", executed)
        assert done.returncode == 1
        assert "01_one_sum.html: src='https://example.org/d3.js" in done.stderr

    def test_another_folder_is_refused(self, notebooks, tmp_path):
        done = run(notebooks, "make_html", notebooks.parent / "pages", "--executed", tmp_path)
        assert done.returncode == 2
        assert "must be a folder that execute.py has made" in done.stderr


@pytest.mark.parametrize(
    "page, number",
    [
        ('<script src="https://example.org/a.js"></script>', 1),
        ('<link rel="stylesheet" href="//example.org/a.css">', 1),
        ("<iframe srcdoc='&lt;img src=&quot;http://example.org/a.png&quot;&gt;'></iframe>", 1),
        ("@font-face { src: url(https://example.org/a.woff2) } @import 'https://example.org/a.css';", 2),
        ('load("https://cdn.jsdelivr.net/npm/mathjax@4")', 1),
        ('<a href="https://www.sphinx-doc.org/">Sphinx</a> <img src="a.png"> <script src="_static/a.js"></script>', 0),
        ('<svg xmlns="http://www.w3.org/2000/svg"></svg> No CDN is asked. <img src="data:image/png;base64,//8=">', 0),
    ],
)
def test_what_a_page_loads_from_elsewhere_is_seen(page, number):
    from offline import loads_of

    assert len(loads_of(page)) == number, loads_of(page)
