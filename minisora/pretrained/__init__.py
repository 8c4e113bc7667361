"""Bundled models: one folder each, found by name ("sora/sora-base" is the folder "sora-base"), never by the network."""

from pathlib import Path


def bundled_folder(name):
    """The folder of a bundled model.

    Parameters
    ----------
    name : str
        Such as ``"sora/sora-base"``.

    Returns
    -------
    pathlib.Path or None
        None when no bundled model has this name.
    """
    owner, slash, model = name.partition("/")
    return bundled_models().get(model) if owner == "sora" and slash else None


def bundled_models():
    """Folder by short name, for every model that this installation carries."""
    here = Path(__file__).parent
    return {folder.name: folder for folder in sorted(here.iterdir()) if (folder / "model.safetensors").is_file()}
