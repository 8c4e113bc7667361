"""A layer of one's own: loaded from a file, and checked as the layer that it stands for."""

import importlib.util
import sys
import traceback
import zlib
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from minisora.gradcheck.built_in import named_checks
from minisora.gradcheck.registry import NamedCheck

_CHECKED_AS = {
    "attention": "MultiHeadAttention",
    "feed_forward": "FeedForward",
    "norm": "LayerNorm",
    "activation": "ReLU",
    "linear": "Linear",
    "embedding": "TokenEmbedding",
    "loss": "SoftmaxCrossEntropy",
    "dropout": "Dropout",
}
_OURS_ALONE = ("bias", "layer")  # arguments that a layer of that kind need not take


def load_class(spec):
    """Execute a Python file and return what it calls by a name.

    Parameters
    ----------
    spec : str
        ``"my_attention.py:MyAttention"``: the file, which is executed, and a class or function in it. The file may
        import what lies in its own folder.

    Raises
    ------
    ValueError
        For anything else, for a file that is not there or fails, and for a name that is not in it.
    """
    file, colon, name = spec.rpartition(":")
    if not colon or not file.endswith(".py") or not name:
        raise ValueError(f"a layer is expected as FILE.py:CLASS, got {spec!r}")
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"a layer is expected in {file}, and there is no such file")
    module = _execute(path.resolve())
    found = getattr(module, name, None)
    if not callable(found):
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        raise ValueError(f"{file} is expected to define a class {name}, it defines {', '.join(own) or 'none'}")
    return found


def _execute(path):
    name = f"own_layer_{zlib.crc32(str(path).encode()):08x}_{path.stem}"
    description = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(description)
    sys.modules[name] = module  # classes look their module up there
    sys.path.append(str(path.parent))
    try:
        description.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{path.name} could not be executed, it raised {_told(error, path)}") from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def checks_for(kind, make):
    """Return the `NamedCheck` list that a layer must pass to stand for one of ours.

    Parameters
    ----------
    kind : str
        ``"attention"``, ``"feed_forward"``, ``"norm"``, ``"activation"``, ``"linear"``, ``"embedding"``, ``"loss"`` or
        ``"dropout"``.
    make : callable
        Called as minisora calls its own: for ``"attention"``, ``make(d_model, num_heads, rng, dropout=p, dtype=t)``.
    """
    if kind not in _CHECKED_AS:
        raise ValueError(f"a kind of layer is expected, one of {', '.join(_CHECKED_AS)}, got {kind!r}")
    own = getattr(make, "__name__", type(make).__name__)
    checks = []
    for check in named_checks(_CHECKED_AS[kind]):
        arguments = {name: value for name, value in check.build.keywords.items() if name not in _OURS_ALONE}
        build = partial(_build, partial(check.build.func, **arguments, make=make), own, kind)
        checks.append(NamedCheck(f"{own}/{check.name.partition('/')[2]}", own, build, check.options))
    return checks


def _build(build, own, kind, rng):
    """Return the probe; a layer that cannot be built or run as its kind is told in one sentence."""
    with _explained(own, f"could not be built as minisora builds its own {kind}"):
        probe = build(rng)
    with _explained(own, f"could not run forward as {kind}"):
        probe.forward()
    return probe


@contextmanager
def _explained(own, what):
    try:
        yield
    except Exception as error:
        raise ValueError(f"{own} {what}, it raised {_told(error)}") from error


def _told(error, path=None):
    """The kind of an exception, its message, and the last line of the file (any file, without one) that it passed."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if path in (None, Path(frame.filename))]
    where = f" (line {lines[-1].lineno} of {Path(lines[-1].filename).name})" if lines else ""
    return f"{type(error).__name__}: {error}{where}"
