"""The named checks, and how they are run."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from minisora.gradcheck.checker import check
from minisora.gradcheck.report import Report

_CHECKS = {}


@dataclass(frozen=True)
class NamedCheck:
    """A check that can be asked for by name.

    ``build(rng)`` returns a fresh `Probe`, ``options`` are keyword arguments of `minisora.gradcheck.check`.
    """

    name: str
    layer: str
    build: Callable
    options: dict

    def run(self, **options):
        """Return the `CheckResult`; the seed of everything random in it is made from the name."""
        seed = zlib.crc32(self.name.encode())
        probe = self.build(np.random.default_rng(seed))
        return check(probe, **{"seed": seed, "name": self.name, **self.options, **options})


def register(layer, variants, **options):
    """Register a builder under ``layer/variant`` for each variant.

    Parameters
    ----------
    layer : str
        What `run_checks` finds the checks by.
    variants : dict of str to dict
        Keyword arguments that the decorated function gets beside ``rng``.
    **options
        Of `minisora.gradcheck.check`.
    """

    def decorate(build):
        for variant, arguments in variants.items():
            name = f"{layer}/{variant}"
            if name in _CHECKS:
                raise ValueError(f"a new name is expected for a gradient check, got {name!r} a second time")
            _CHECKS[name] = NamedCheck(name, layer, partial(build, **arguments), options)
        return build

    return decorate


def named_checks(names=None):
    """Return the checks of these names, in the order of registration; all of them when None.

    A name is a layer's (``"LayerNorm"``: all its checks) or a check's (``"MultiHeadAttention/cross"``), in upper or
    lower case.

    Raises
    ------
    ValueError
        For a name that nothing has.
    """
    if names is None:
        return list(_CHECKS.values())
    wanted = {name.casefold(): name for name in ([names] if isinstance(names, str) else names)}
    known = {name.casefold() for check in _CHECKS.values() for name in (check.name, check.layer)}
    for name in sorted(wanted.keys() - known):
        layers = ", ".join(dict.fromkeys(check.layer for check in _CHECKS.values()))
        raise ValueError(
            f"a layer with gradient checks is expected ({layers}) or one check, such as 'LayerNorm/rows', "
            f"got {wanted[name]!r}"
        )
    return [check for check in _CHECKS.values() if {check.name.casefold(), check.layer.casefold()} & wanted.keys()]


def run_checks(names=None, *, on_result=None):
    """Run named checks and return their `Report`.

    Parameters
    ----------
    names : str or iterable of str, optional
        As `named_checks` takes them; None runs all.
    on_result : callable, optional
        Called with each `CheckResult` as soon as there is one.
    """
    results = []
    for named in named_checks(names):
        results.append(named.run())
        if on_result is not None:
            on_result(results[-1])
    return Report(tuple(results))
