"""Figures with matplotlib. Every function returns its figure and leaves matplotlib's settings as they are."""

from importlib import import_module

_HOMES = {
    "plot_attention": "attention",
    "plot_attention_gradients": "attention",
    "plot_entropy": "measure_maps",
    "plot_rollout": "measure_maps",
    "plot_beam_tree": "beams",
    "attention_entropy": "entropy",
    "attention_rollout": "rollout",
    "decoder_rollout": "rollout",
    "explain": "explaining",
    "attention_explorer": "explorer",
    "plot_curves": "curves",
    "plot_distributions": "distributions",
    "plot_rates": "rates",
    "plot_snapshots": "snapshots",
    "plot_trials": "tuning",
    "png": "image",
    "chinese_font": "font",
    "printable": "font",
}

__all__ = list(_HOMES)


def __getattr__(name):
    """Load a name when it is used: what only explains numbers needs no matplotlib."""
    if name not in _HOMES:
        raise AttributeError(f"module 'minisora.plotting' has no attribute {name!r}")
    return getattr(import_module(f"minisora.plotting.{_HOMES[name]}"), name)


def __dir__():
    return sorted({*globals(), *__all__})
