"""Models on the hub, through the library `huggingface_hub` (extra ``hub``): fetched into its cache, or pushed.

What is fetched belongs to one commit, and is as untrusted as any folder: `minisora.checkpoint.loading` checks it. The
library is asked for the files of a model alone, and for none that is larger than could be read.
"""

import re
from pathlib import Path
from typing import NamedTuple

from minisora.checkpoint.card import model_card
from minisora.checkpoint.description import MAX_COPY
from minisora.checkpoint.folder import CARD, COPIES, HUB, MODEL
from minisora.checkpoint.saving import model_files
from minisora.plain_file import CheckpointError
from minisora.tensor_file import MAX_FILE

PLAIN = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]|\.(?!\.))*"  # no two dots side by side: a name becomes part of a path
NAME = re.compile(rf"hub:(?P<repo>{PLAIN}/{PLAIN})(?:@(?P<revision>{PLAIN}(?:/{PLAIN})*))?")
COMMIT = re.compile(r"[0-9a-f]{40}")


class HubName(NamedTuple):
    """A model on the hub."""

    repo: str  # owner/name
    revision: str | None  # branch, tag or commit; None: the main branch


def parse_name(name, revision=None):
    """The parts of ``hub:owner/name`` or ``hub:owner/name@revision``; a revision may also be given beside the name."""
    found = NAME.fullmatch(name if revision is None else f"{name}@{revision}")
    if found is None:
        got = name[:200] if revision is None else f"{name[:200]} and the revision {str(revision)[:200]}"
        raise CheckpointError(f"expected hub:owner/name or hub:owner/name@revision, got {got!r}")
    return HubName(**found.groupdict())


def fetch(name, revision=None, files=(MODEL, *COPIES)):
    """The folder in the hub's cache that holds a model, which is fetched where it is not there yet.

    Parameters
    ----------
    name : str
        ``hub:owner/name`` or ``hub:owner/name@revision``.
    revision : str, optional
    files : sequence of str
        The model's among them; the others only if they exist.

    Raises
    ------
    CheckpointError
        In one sentence, whatever the library raises.
    """
    wanted = parse_name(name, revision)
    hub = _library(name)
    try:
        return _fetch(hub, wanted, files)
    except CheckpointError:
        raise
    except Exception as error:  # of the library, or of whichever HTTP library its version uses
        raise CheckpointError(f"cannot fetch {_shown(wanted)}: {_sentence(error)}") from None


def push(name, model, source_tokenizer, target_tokenizer=None, *, card=None, private=None, dtype=None):
    """Put a model on the hub's main branch, in one commit; see `SoraModel.push_to_hub`."""
    wanted = parse_name(name if name.startswith(HUB) else HUB + name)
    if wanted.revision is not None:
        raise CheckpointError(f"a model is pushed to its main branch, got the revision {wanted.revision!r}")
    files = model_files(model, source_tokenizer, target_tokenizer, dtype=dtype)
    hub = _library(name)
    text = model_card(model, wanted.repo) if card is None else card
    try:
        return f"{HUB}{wanted.repo}@{_push(hub, wanted.repo, files, text, keep=card is None, private=private)}"
    except Exception as error:  # see fetch
        raise CheckpointError(f"cannot push to {_shown(wanted)}: {_sentence(error)}") from None


def _library(name):
    try:
        import huggingface_hub
    except ImportError:
        raise CheckpointError(f'{name} needs huggingface_hub: pip install "minisora[hub]"') from None
    return huggingface_hub


def _fetch(hub, wanted, files):
    """One question to the hub tells commit, files and sizes; where it gives no answer, the cache is asked."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    pinned = wanted.revision is not None and COMMIT.fullmatch(wanted.revision)
    if pinned and (folder := _cached(hub, wanted, set(files).difference(COPIES))):  # a commit never changes
        return folder
    try:
        about = hub.HfApi().model_info(wanted.repo, revision=wanted.revision, files_metadata=True)
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except Exception as error:
        if folder := _cached(hub, wanted, [MODEL]):
            return folder
        why = _sentence(error)
        raise CheckpointError(
            f"{_shown(wanted)} is not in the hub's cache, and the hub gives no answer: {why}"
        ) from None
    for file in _checked_sizes(wanted, about.siblings, files):
        if file != MODEL:
            hub.hf_hub_download(wanted.repo, file, revision=about.sha)
    # The model comes last: where it is in the cache, so is the rest.
    folder = Path(hub.hf_hub_download(wanted.repo, MODEL, revision=wanted.revision)).parent
    if folder.name != about.sha:
        raise CheckpointError(f"{_shown(wanted)} was changed while it was fetched, try again")
    return folder


def _cached(hub, wanted, files):
    """The folder of a revision in the cache, None where it has not all of the files."""
    found = [hub.try_to_load_from_cache(wanted.repo, file, revision=wanted.revision) for file in files]
    return Path(found[0]).parent if all(isinstance(path, str) for path in found) else None


def _checked_sizes(wanted, siblings, files):
    """Those of the files that are on the hub; CheckpointError where the model is not, or one is too large."""
    sizes = {sibling.rfilename: sibling.size for sibling in siblings or ()}
    if MODEL not in sizes:
        raise CheckpointError(f"{_shown(wanted)} has no {MODEL}")
    there = [file for file in files if file in sizes]
    for file in there:
        size, most = sizes[file], MAX_FILE if file == MODEL else MAX_COPY
        if type(size) is not int or size > most:
            raise CheckpointError(f"{_shown(wanted)} has a {file} of {size} bytes, at most {most} are read")
    return there


def _push(hub, repo, files, card, *, keep, private):
    """Commit the files, and the card unless there is one that is to be kept; the commit's id."""
    api = hub.HfApi()
    api.create_repo(repo, private=private, exist_ok=True)
    there = {sibling.rfilename for sibling in api.model_info(repo).siblings or ()}
    if CARD not in there or not keep:
        files = {**files, CARD: card.encode("utf-8")}
    changes = [hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in files.items()]
    # A copy that is left over from another model would contradict this one.
    changes += [hub.CommitOperationDelete(path_in_repo=name) for name in COPIES if name in there and name not in files]
    return api.create_commit(repo, changes, commit_message="Upload of a minisora model").oid


def _shown(wanted):
    return f"{HUB}{wanted.repo}" + (f"@{wanted.revision}" if wanted.revision else "")


def _sentence(error):
    """What an exception says, on one line that is not too long."""
    return " ".join(str(error).split())[:300] or type(error).__name__
