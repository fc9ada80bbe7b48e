"""Something other than an audit in a worker: it is done and gives plain values, or the target was lost on the way."""

from __future__ import annotations

import threading
from typing import Any

from ppo_audit.errors import TargetLost, UsageError
from ppo_audit.isolation.attempt import Limits, attempt
from ppo_audit.isolation.attempts import STAGES_OF_A_TARGET
from ppo_audit.isolation.pool import of_workers, own_folder
from ppo_audit.isolation.records import Errand, Job, Refused
from ppo_audit.settings import Settings


def in_worker(errand: Errand, spec: str, settings: Settings) -> Any:
    """What the errand makes of the target, under the limits of a whole target."""
    limit = STAGES_OF_A_TARGET * settings.time_limit
    with own_folder() as folder:
        job = Job(spec, settings, folder / "journal", folder / "output", errand=errand)
        seen = attempt(job, Limits(limit, limit, limit, settings.memory_limit), of_workers(), threading.Event())
    if isinstance(seen.errand, Refused):
        raise UsageError(seen.errand.reason)
    if seen.errand is not None:
        return seen.errand.value
    if seen.broke and not seen.broke.of_the_target:
        raise RuntimeError(seen.broke.reason)
    raise (UsageError if seen.ended_itself else TargetLost)(f"`{spec}` cannot be measured: {seen.why}.")
