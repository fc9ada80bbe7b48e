"""`REV:path.py:fn` and `path.py:fn@REV`: the tree of a git revision in a temporary folder; `reference:ppo_clip`."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ppo_audit.errors import UsageError, did_you_mean

LEADING = re.compile(r"^(?P<revision>[^:]+):(?P<spec>[^:]+\.py(:[^:@]+)?)$")
TRAILING = re.compile(r"^(?P<spec>[^@]+\.py(:[^@]+)?)@(?P<revision>[^@:]+)$")


PUBLISHED = "reference:"
LOSSES = ("policy_gradient", "ppo_clip", "ppo_dual_clip", "dapo")
"""The functions of `reference/losses.py`, which is not imported here: it needs torch."""


@contextmanager
def checked_out(spec: str) -> Iterator[str]:
    """A spec that can be opened: the same one, or a path into a copy of the revision that it names."""
    if spec.startswith(PUBLISHED):
        yield _published(spec.removeprefix(PUBLISHED))
        return
    found = TRAILING.match(spec) or LEADING.match(spec)
    if found is None:
        yield spec
        return
    path, _, attribute = found["spec"].partition(":")
    with TemporaryDirectory(prefix="ppo-audit-") as folder:
        root = _unpacked(found["revision"], Path(folder))
        place = root / path
        if not place.is_file():
            raise UsageError(f"`{spec}`: there is no `{path}` in revision `{found['revision']}`.")
        yield f"{place}:{attribute}" if attribute else str(place)


def _published(name: str) -> str:
    """The spec of a published loss; its name may be written with hyphens."""
    if name.replace("-", "_") not in LOSSES:
        choices = ", ".join(LOSSES)
        raise UsageError(f"`{PUBLISHED}{name}` is none; expected one of {choices}.{did_you_mean(name, LOSSES)}")
    return f"ppo_audit.reference.losses:{name.replace('-', '_')}"


def _unpacked(revision: str, folder: Path) -> Path:
    """The revision's tree, and in it the folder that is the working directory here."""
    prefix = _git("rev-parse", "--show-prefix").decode().strip()
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    top = _git("rev-parse", "--show-toplevel").decode().strip()
    with tarfile.open(fileobj=io.BytesIO(_git("-C", top, "archive", "--format=tar", commit))) as archive:
        archive.extractall(folder, filter="data")
    return folder / prefix


def _git(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise UsageError("a revision was named, but `git` is not installed; compare two files instead.") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or "no such revision"
        raise UsageError(
            f"`git {arguments[0]}` failed ({said}); expected a revision of the repository that you are in, as in "
            f"`main:loss.py:loss` or `loss.py:loss@HEAD~1`."
        ) from error
