"""The arrows of the design: who may import whom, and what an import loads."""

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = {"minisora": ROOT / "minisora", "minisora.kernels": ROOT / "kernels"}

# Each part of minisora, and what it may import besides itself, as DESIGN's arrows run:
# cli -> benchmarks, training -> generation, gradcheck, checkpoint -> model -> layers -> kernels.
GROUND = {"kernels", "text", "corpus", "config", "settings", "files", "plain_file", "strict_json", "pretrained"}
MODEL = GROUND | {"layers", "model"}
CHECKED = MODEL | {"tensor_file", "checkpoint", "generation", "gradcheck"}
MAY_IMPORT = {
    "kernels": set(),
    # word vectors: compiled loops, and files that survive a crash; checkpoint: classmethods that only delegate
    "text": {"kernels", "files", "settings", "checkpoint"},
    "corpus": set(),
    "config": set(),
    "settings": set(),
    "files": set(),
    "plain_file": set(),
    "strict_json": set(),
    "pretrained": set(),
    "layers": {"kernels"},
    "tensor_file": {"plain_file", "strict_json"},
    "model": {"layers", "kernels", "config", "checkpoint"},  # checkpoint: its classmethods for files only delegate
    "checkpoint": MODEL | {"tensor_file"},
    "generation": MODEL,
    "gradcheck": MODEL,
    "training": CHECKED,
    "plotting": CHECKED,
    "mermaid": MODEL,
    "info": {"kernels", "pretrained"},
    "article": set(),
    "walk": MODEL,
    "benchmarks": CHECKED | {"training", "plotting", "info", "commands"},
    "serving": CHECKED | {"plotting"},
    "commands": CHECKED | {"training", "plotting", "benchmarks", "mermaid", "info", "article", "walk", "serving"},
    "cli": {"commands"},
    "__main__": {"cli"},
}
ONLY_HERE = {("model", "checkpoint"), ("text", "checkpoint")}  # imports that must stand inside a function


def python_files():
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            yield path, ".".join([package, *(part for part in parts if part != "__init__")])


def imports(path):
    """Yield (imported module, inside a function?) for every import statement that runs, so not for TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    typing = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield node.module, id(node) in lazy
            if node.module == "minisora":
                yield from ((f"minisora.{alias.name}", id(node) in lazy) for alias in node.names)


def part_of(module):
    """The part of minisora that a module belongs to: "layers" for minisora.layers.linear."""
    return module.split(".")[1] if module.startswith("minisora.") else None


@pytest.mark.parametrize("path, module", [pytest.param(*file, id=file[1]) for file in python_files()])
def test_the_arrows_point_one_way(path, module):
    part = part_of(module)
    if part is None:
        return  # minisora/__init__.py loads names by their homes, when they are used
    for imported, lazy in imports(path):
        other = part_of(imported)
        if other in (None, part, "__version__"):
            continue
        assert other in MAY_IMPORT[part], f"{module} may not import {imported}"
        assert lazy or (part, other) not in ONLY_HERE, f"{module} may import {imported} inside a function only"


def test_every_part_has_its_arrows():
    parts = {part_of(module) for _, module in python_files()} - {None}
    assert parts <= set(MAY_IMPORT)


def all_python_files():
    return [*(path for path, _ in python_files()), *sorted((ROOT / "tests").rglob("*.py"))]


@pytest.mark.parametrize("path", all_python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_that_is_never_right(path):
    for imported, _ in imports(path):
        top = imported.split(".")[0]
        assert top != "kernels", "kernels is another package's name: it is minisora.kernels"
        assert top not in {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve"}, "files are safetensors and JSON"
        assert not (top in {"torch", "tensorflow", "jax"} and part_of_path(path) in {"layers", "kernels", "model"})


def part_of_path(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "minisora" else parts[0]


def test_no_file_is_a_drawer_for_everything():
    names = {path.stem for path in all_python_files()}
    assert not names & {"utils", "util", "helpers", "common", "misc"}


def test_numpy_never_unpickles():
    for path in all_python_files():
        assert "allow_pickle" + "=True" not in path.read_text(encoding="utf-8"), path


def test_packages_are_listed():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    folders = {path.parent: module for path, module in python_files() if path.name == "__init__.py"}
    assert set(setup["options"]["packages"].split()) == set(folders.values())
    for path, module in python_files():
        assert path.parent in folders, f"{module} lies in a folder without __init__.py"


def test_the_documents_name_the_current_version():
    import minisora

    assert f"version: {minisora.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## {minisora.__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def loaded_by(statement):
    """Names of all modules after a statement in a fresh interpreter, outside the checkout."""
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path("/"))
    return set(result.stdout.split())


def third_party(modules):
    tops = {name.split(".")[0] for name in modules}
    return tops & {
        "numpy",
        "numba",
        "llvmlite",
        "matplotlib",
        "safetensors",
        "click",
        "tqdm",
        "torch",
        "cupy",
        "scipy",
        "tokenizers",
        "huggingface_hub",
        "starlette",
        "uvicorn",
    }


def test_import_minisora_loads_numpy_alone():
    modules = loaded_by("import minisora")
    assert third_party(modules) == {"numpy"}
    assert {name for name in modules if name.startswith("minisora")} == {"minisora"}


def test_a_model_needs_neither_numba_nor_the_command_line():
    names = "SoraModel, SoraConfig, SoraTokenizer, answer"
    assert third_party(loaded_by(f"from minisora import {names}; import minisora.checkpoint")) <= {
        "numpy",
        "safetensors",
    }


def test_the_command_line_loads_click_alone():
    assert third_party(loaded_by("import minisora.cli, minisora.commands.chat")) == {"numpy", "click"}


def test_every_public_name_exists():
    import minisora

    for name in minisora.__all__:
        assert getattr(minisora, name) is not None
    assert set(minisora.__all__) <= set(dir(minisora))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        minisora.nothing  # noqa: B018
