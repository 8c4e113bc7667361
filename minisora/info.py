"""What this installation consists of: versions, backends, threads, models."""

import os
import platform
from importlib import metadata

import numpy as np

import minisora
from minisora.kernels import backend_names, get_backend
from minisora.pretrained import bundled_models

LIBRARIES = ("numpy", "numba", "matplotlib", "safetensors", "click", "tqdm")
OPTIONAL = ("torch", "cupy-cuda12x", "cupy-cuda13x")
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


def collect():
    """Return a dict of plain values: versions, platform, BLAS, attention backends, threads, bundled models.

    Versions are read from the packages' metadata: nothing is imported for it.
    """
    return {
        "minisora": minisora.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version_of(name) for name in LIBRARIES},
        "optional": {name: version_of(name) for name in OPTIONAL},
        "blas": blas(),
        "backends": {"available": backend_names(), "auto": get_backend("auto").name},
        "threads": {"cores": usable_cores()} | {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "models": [f"sora/{name}" for name in bundled_models()],
    }


def version_of(distribution):
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def blas():
    """Return the name and version of the library that NumPy multiplies matrices with."""
    found = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()


def usable_cores():
    """Return the number of cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def table(info):
    """Lay out what `collect` returned as lines of a name and its values."""
    rows = []
    for name, value in info.items():
        if isinstance(value, dict):
            parts = (", ".join(v) if isinstance(v, list) else v for v in value.values())
            value = ", ".join(f"{key} {'-' if part is None else part}" for key, part in zip(value, parts, strict=True))
        elif isinstance(value, list):
            value = ", ".join(value) or "-"
        rows.append(f"{name:<10}  {value}")
    return "\n".join(rows)
