"""`check --baseline` and `check --write-baseline`: findings accepted with a reason."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass
from pathlib import Path

from ppo_audit.commands.writing import expect_folder, write
from ppo_audit.errors import UsageError
from ppo_audit.findings import Report
from ppo_audit.settings import Settings
from ppo_audit.waivers.baseline import entries_in, renewed, text_of, waivers_in

JUDGED = (0, 1)


@dataclass(frozen=True)
class Acceptance:
    """The wish to accept all findings of a run."""

    path: Path
    reason: str
    expires: datetime.date | None


def accepting(path: Path | None, reason: str | None, expires: str | None) -> Acceptance | None:
    """The wish, if there is one; a reason is required, and means nothing without a file."""
    if path is None:
        if reason is not None or expires is not None:
            raise UsageError("--reason and --expires belong to --write-baseline FILE, which is missing.")
        return None
    if not reason or not reason.strip():
        raise UsageError('--write-baseline: --reason is missing; say why the findings are accepted, as --reason "...".')
    expect_folder(path)
    return Acceptance(path, reason.strip(), _day(expires))


def _day(text: str | None) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if text is not None else None
    except ValueError as error:
        raise UsageError(f"--expires: `{text}` is no date; expected one such as 2027-01-31.") from error


def accept(report: Report, wish: Acceptance) -> int:
    """Write the findings down; the exit code is that of the audit where a target was not judged, else 0."""
    before = entries_in(wish.path) if wish.path.exists() else []
    entries = renewed(before, report, wish.reason, wish.expires, datetime.date.today())
    write(wish.path, text_of(entries))
    print(f"Wrote {len(entries)} accepted findings to {wish.path}; `--baseline {wish.path}` knows them.")
    for target in report.targets:
        if target.error:
            print(f"Not judged: {target.target}: {target.error}")
    return 0 if report.exit_code in JUDGED else report.exit_code


def with_baseline(settings: Settings) -> Settings:
    """The settings with the waivers of the baseline file, for every target."""
    if settings.baseline is None:
        return settings
    known = waivers_in(Path(settings.baseline))
    own = tuple((spec, dataclasses.replace(each, waivers=(*each.waivers, *known))) for spec, each in settings.targets)
    return dataclasses.replace(settings, waivers=(*settings.waivers, *known), targets=own)
