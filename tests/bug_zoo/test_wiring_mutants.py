"""Mistakes that no gradient check of their own part can see, and the properties that see them instead.

Each is planted in the real layers; the properties that it breaks are kept by the unchanged code (test_properties.py),
so none is caught by accident.
"""

import numpy as np
import pytest

from minisora.config import SoraConfig
from minisora.gradcheck import check_properties, randomize, run_checks, structure
from minisora.gradcheck.bug_zoo import CASES, WIRING, planted
from minisora.model import SoraModel
from minisora.training.optimizers import SGD


def case_of(name):
    return next(case for case in WIRING if case.name == name)


@pytest.mark.parametrize("case", WIRING, ids=lambda case: case.plant.__name__)
def test_caught_by_properties_and_not_by_gradients(case):
    with planted(case):
        broken = {result.name for result in check_properties() if not result.passed}
        blind = run_checks(case.blind)
    assert broken >= set(case.broken)
    assert blind.passed, str(blind)


def test_every_mistake_says_where_it_was_seen():
    for case in [*CASES, *WIRING]:
        assert "/" in case.seen, case.name


def ids(rng, batch, length):
    return rng.integers(3, 23, (batch, length))


def build(**changes):
    rng = np.random.default_rng(0)
    config = SoraConfig(
        source_vocab_size=23, target_vocab_size=23, d_model=6, num_heads=2, d_ff=13, num_encoder_layers=2,
        num_decoder_layers=2, max_len=17, **changes,
    )  # fmt: skip
    return randomize(SoraModel(config, rng, dtype=np.float64), rng)


def test_queries_from_the_memory_do_not_fit_where_lengths_differ(rng):
    """Whoever tries lengths that differ needs no property for it."""
    with planted(case_of("cross attention asks from the memory")), pytest.raises(ValueError, match="broadcast"):
        build()(ids(rng, 3, 7), ids(rng, 3, 5))


def test_keys_from_the_target_do_not_listen_to_the_source(rng):
    source, target = ids(rng, 3, 7), ids(rng, 3, 5)
    assert structure.source_echo(build(), source, target) > 1e-3
    with planted(case_of("cross attention looks at the target")):
        assert structure.source_echo(build(), source, target) == 0


def test_without_the_permutation_the_decoder_is_still_causal(rng):
    """Rows keep their order inside a head: the check for the future does not see it."""
    with planted(case_of("heads cut without a permutation")):
        assert structure.future_leak(build(), ids(rng, 3, 7), ids(rng, 3, 5), 2) == 0


@pytest.mark.parametrize("tie", ["output", "all"])
def test_tied_weights_are_moved_once(tie):
    def moved():
        model = build(tie=tie)
        table = model.decoder.embedded.embedding.table
        before = table.data.copy()
        table.grad[...] = np.random.default_rng(1).normal(size=table.grad.shape)
        SGD(model.parameters(), lr=0.5).step()
        return np.array_equal(table.data, before - 0.5 * table.grad)

    assert moved()
    with planted(case_of("tied weights updated twice")):
        assert not moved()
