"""Mutation testing: does the suite notice a small change anywhere in the layers and kernels?

    python tests/mutation/run.py [--sample N --seed S] [--jobs J] [FILE ...]

Every mutant (`mutants.py`) is run against the tests, those of its own file first, until one fails. A mutant that no
test kills survives; `survivors.toml` lists those that are known, each with the reason why it may live. The exit status
is 1 when a mutant survives that is not listed there.

A mutant never touches the disk: the tests run in a child process, which was forked before minisora was imported and
which is given the changed source in the place of the module.
"""

import argparse
import importlib.abc
import importlib.util
import os
import random
import resource
import signal
import sys
import time
import tomllib
from collections import Counter
from multiprocessing import Pool
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import hypothesis
import numpy  # noqa: F401
import pytest
from mutants import ROOT, mutants_of
from tqdm import tqdm

# Without the kernels that Numba compiles: a changed source would be answered from its cache on disk. They are held
# against the specification, bit by bit or within rounding, in tests/kernels/test_attention_backends.py.
SOURCES = sorted(
    [*ROOT.glob("minisora/layers/*.py"), *ROOT.glob("kernels/[!n]*.py"), ROOT / "kernels/numpy_attention.py"]
)
SURVIVORS = Path(__file__).with_name("survivors.toml")
TESTS = (
    "kernels/test_array_module.py kernels/test_backends.py kernels/test_compilation.py kernels/test_numpy_attention.py "
    "kernels/test_random.py layers device reference test_model.py structure gradcheck/test_structure.py "
    "bug_zoo/test_wiring_mutants.py generation checkpoint/test_save_and_load.py training/test_optimizers.py "
    "gradcheck/test_complex_step.py gradcheck/test_first_wrong.py gradcheck/test_registry.py "
    "kernels/test_elementwise.py kernels/test_threads.py test_model_backends.py"
).split()
# A few times what the unchanged code takes. Computing is counted, so that a busy machine kills no mutant; who waits for
# ever computes nothing, and is stopped by the clock.
CPU_SECONDS, SECONDS = 600, 1200


class InPlaceOf(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Finds one module in a source that is given."""

    def __init__(self, mutant):
        relative = Path(mutant.file.removeprefix("minisora/")).with_suffix("")
        self.name = "minisora." + ".".join(part for part in relative.parts if part != "__init__")
        self.path, self.source = str(ROOT / mutant.file), mutant.source

    def find_spec(self, fullname, path=None, target=None):
        return (
            importlib.util.spec_from_file_location(fullname, self.path, loader=self) if fullname == self.name else None
        )

    def get_filename(self, fullname):
        return self.path

    def get_data(self, path):
        return self.source.encode()


class FirstFailure:
    """A pytest plugin that remembers what failed first."""

    name = None

    def pytest_runtest_logreport(self, report):
        if report.failed and self.name is None:
            self.name = report.nodeid

    def pytest_collectreport(self, report):
        if report.failed and self.name is None:
            self.name = f"{report.nodeid} (import)"


def tests_for(mutant):
    """The test files in two rounds: those named like the mutant's file, which kill most, and all others.

    Of these, those of the GPU, which take longest, come first for what is written for it, and else last.
    """
    files, for_gpu = [], mutant is not None and Path(mutant.file).stem.startswith("cuda")
    for name in TESTS:
        path = ROOT / "tests" / name
        files += sorted(path.glob("test_*.py")) if path.is_dir() else [path]
    files.sort(key=lambda path: (path.parent.name == "device") != for_gpu)
    own = f"test_{Path(mutant.file).stem}.py" if mutant else ""
    rounds = [str(path) for path in files if path.name == own], [str(path) for path in files if path.name != own]
    return [tests for tests in rounds if tests]


def killed_by(mutant):
    """Return the first test that fails under the mutant (None: the unchanged code), or None."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.close(reader)
        _run_tests(mutant, writer)
    os.close(writer)
    end = time.monotonic() + SECONDS
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "timeout"
        time.sleep(0.02)
    with open(reader, encoding="utf-8") as answer:
        name = answer.read() or f"a crash, or more than {CPU_SECONDS} s of computing"
    return None if name == "passed" else name


def _run_tests(mutant, writer):
    """In the child: run the tests quietly, write the name of the first failure, and end."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    if mutant is not None:
        sys.meta_path.insert(0, InPlaceOf(mutant))
    hypothesis.settings.register_profile(
        "mutation", derandomize=True, database=None, deadline=None, phases=[hypothesis.Phase.generate]
    )
    hypothesis.settings.load_profile("mutation")
    failure = FirstFailure()
    os.chdir(ROOT)
    # plain assertions: pytest's own import hook would find the unchanged source first
    quiet = ["-x", "-q", "-p", "no:cacheprovider", "--tb=no", "--assert=plain"]
    try:
        for tests in tests_for(mutant):
            status = pytest.main([*quiet, *tests], plugins=[failure])
            if status != 0:
                break
        os.write(writer, (failure.name or ("passed" if status == 0 else f"exit status {status}")).encode())
    finally:
        os._exit(0)


def known_survivors():
    """Return {key: reason} as `survivors.toml` has them."""
    if not SURVIVORS.exists():
        return {}
    entries = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    return {(e["file"], e["before"], e["after"], e.get("nth", 0)): e["why"] for e in entries}


def report(outcomes, known):
    """Print the table and the survivors; return how many of them are not known."""
    total = Counter(mutant.file for mutant, _ in outcomes)
    alive = Counter(mutant.file for mutant, killer in outcomes if killer is None)
    width = max(map(len, total))
    for file in total:
        print(f"{file:{width}}  {total[file]:5} mutants  {total[file] - alive[file]:5} killed")
    killed, everything = total.total() - alive.total(), total.total()
    survivors = [mutant for mutant, killer in outcomes if killer is None]
    unknown = [mutant for mutant in survivors if mutant.key not in known]
    print(f"{killed} of {everything} killed ({100 * killed / everything:.1f} %), {len(survivors)} survive")
    for mutant in unknown:
        print(f"survives, not in {SURVIVORS.name}: {mutant}")
    for mutant, killer in outcomes:
        if mutant.key in known and killer is not None:
            print(f"listed in {SURVIVORS.name}, but {killer} kills it: {mutant}")
    return len(unknown)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="sources to change; all layers and kernels when none")
    parser.add_argument("--sample", type=int, metavar="N", help="only N mutants")
    parser.add_argument("--seed", type=int, default=0, help="which sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--verbose", action="store_true", help="say of every mutant what killed it")
    options = parser.parse_args()
    mutants = [mutant for path in options.files or SOURCES for mutant in mutants_of(path.resolve())]
    if options.sample is not None:
        mutants = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))
    failure = killed_by(None)
    if failure is not None:
        sys.exit(f"the unchanged code fails {failure}")
    outcomes = []
    with Pool(options.jobs) as pool:
        killers = tqdm(pool.imap(killed_by, mutants), total=len(mutants), disable=None)
        for mutant, killer in zip(mutants, killers, strict=True):
            outcomes.append((mutant, killer))
            if options.verbose or killer is None:
                print(f"{mutant}\n  {'killed by ' + killer if killer else 'SURVIVES'}", flush=True)
    sys.exit(1 if report(outcomes, known_survivors()) else 0)


if __name__ == "__main__":
    main()
