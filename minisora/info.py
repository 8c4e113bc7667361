"""What this installation consists of: versions, backends, threads, models."""

import os
import platform
from importlib import metadata

import numpy as np
from threadpoolctl import threadpool_info

import minisora
from minisora.kernels import backend_names
from minisora.kernels.auto_attention import LARGE
from minisora.kernels.threads import VARIABLE, num_threads, usable_cores
from minisora.pretrained import bundled_models

LIBRARIES = ("numpy", "numba", "matplotlib", "safetensors", "click", "threadpoolctl", "tqdm")
OPTIONAL = ("torch", "cupy-cuda12x", "cupy-cuda13x")
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", VARIABLE)


def collect():
    """Return a dict of plain values: versions, platform, BLAS, GPU, attention backends, threads, bundled models.

    Versions are read from the packages' metadata: no library is imported for its own. CuPy is, where it is installed:
    it knows the GPU.
    """
    return {
        "minisora": minisora.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version_of(name) for name in LIBRARIES},
        "optional": {name: version_of(name) for name in OPTIONAL},
        "blas": blas(),
        "gpu": gpu(),
        "backends": {
            "available": backend_names(None if gpu() else "cpu"),
            "auto": f"numpy, numba from {LARGE:,} operations on",
        },
        "threads": {"cores": usable_cores(), "kernels": num_threads(), "BLAS": blas_threads()}
        | {name: os.environ.get(name) for name in THREAD_VARIABLES},
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


def gpu():
    """Return the name of the GPU that the device "cuda" is, or None without CuPy or without a GPU."""
    try:
        import cupy
    except ImportError:
        return None
    if not cupy.is_available():
        return None
    runtime = cupy.cuda.runtime
    return runtime.getDeviceProperties(runtime.getDevice())["name"].decode()


def blas_threads():
    """Return how many threads NumPy's BLAS uses now, or None where it does not tell."""
    return next((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), None)


def table(info):
    """Lay out what `collect` returned as lines of a name and its values."""
    rows = []
    for name, value in info.items():
        if isinstance(value, dict):
            parts = (", ".join(v) if isinstance(v, list) else v for v in value.values())
            value = ", ".join(f"{key} {'-' if part is None else part}" for key, part in zip(value, parts, strict=True))
        elif isinstance(value, list):
            value = ", ".join(value) or "-"
        rows.append(f"{name:<10}  {'-' if value is None else value}")
    return "\n".join(rows)
