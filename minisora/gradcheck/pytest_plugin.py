"""A fixture for pytest, ``gradcheck``: the gradient check of a layer in one line of a test.

::

    def test_my_layer(gradcheck):
        rng = np.random.default_rng(0)
        gradcheck(randomize(MyLayer(7, rng), rng), {"x": rng.normal(size=(2, 3, 7))})
        gradcheck((my_forward, my_backward), {"x": rng.normal(size=(2, 3))}, masks={"causal": True})

``pytest --gradcheck-mode central`` changes how derivatives are taken, ``--gradcheck-report FILE`` writes what every
check found, as JSON. The checks themselves are imported when the fixture is used.
"""

import json
from pathlib import Path

import pytest

_PROPERTY = "minisora_gradcheck"  # travels with a test's report, from the workers of pytest-xdist too


def pytest_addoption(parser):
    """Add the two options."""
    group = parser.getgroup("gradcheck", "gradient checks (minisora)")
    group.addoption(
        "--gradcheck-mode",
        choices=("auto", "central", "complex", "directional"),
        default="auto",
        help="how the fixture gradcheck takes derivatives (default: auto)",
    )
    group.addoption("--gradcheck-report", metavar="FILE", help="write what every gradient check found to FILE, as JSON")


def pytest_configure(config):
    """Collect the results, where they are asked for."""
    path = config.getoption("--gradcheck-report")
    if path and not hasattr(config, "workerinput"):
        if not Path(path).absolute().parent.is_dir():
            raise pytest.UsageError(f"--gradcheck-report expects a file in a folder that is there, got {path}")
        config.pluginmanager.register(_Collector(path))


@pytest.fixture
def gradcheck(request):
    """Check gradients: ``gradcheck(layer, inputs, *, key=None, masks=None, **options)`` fails the test or returns.

    ``layer`` follows minisora's layer protocol or is a pair ``(forward, backward)`` of functions; ``inputs`` is a dict
    of arrays in the order of its forward; ``options`` are those of `minisora.gradcheck.check`. Returns the
    `CheckResult`.
    """

    def run(layer, inputs, *, key=None, masks=None, **options):
        from minisora.gradcheck import FunctionPair, Probe, check

        layer = FunctionPair(*layer) if isinstance(layer, tuple) else layer
        options = {"mode": request.config.getoption("--gradcheck-mode"), **options}
        result = check(Probe(layer, inputs, key=key, masks=masks), **options)
        request.node.user_properties.append((_PROPERTY, json.dumps(result.to_dict())))
        if not result.passed:
            pytest.fail(str(result), pytrace=False)
        return result

    return run


class _Collector:
    """Gathers the results from the tests' reports, and writes them at the end."""

    def __init__(self, path):
        self.path, self.checks = Path(path), []

    def pytest_runtest_logreport(self, report):
        """Take the results of a test that has run."""
        if report.when == "call":
            found = [json.loads(value) for name, value in report.user_properties if name == _PROPERTY]
            self.checks += [{"test": report.nodeid, **check} for check in found]

    def pytest_sessionfinish(self):
        """Write the file."""
        from minisora.files import replace_file

        largest = max((check["largest_relative_error"] for check in self.checks), default=0.0)
        content = {"largest_relative_error": largest, "checks": self.checks}
        replace_file(self.path, (json.dumps(content, indent=2) + "\n").encode())
