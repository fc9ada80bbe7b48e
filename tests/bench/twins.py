"""What locating costs: audits of correct losses beside those of faulty twins, in processor time, since machines are
shared.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from ppo_audit.api import audit
from tests.corpus import catalogue

EVERY = 16
"""Every so many of the written faults of losses: a dozen pairs."""


class Twin(NamedTuple):
    """A fault, and the seconds of its audit and of its base's."""

    name: str
    correct: float
    faulty: float


def twins() -> Iterator[Twin]:
    """Both audits of every pair, one after the other; the first of all is not counted, as it imports the rules."""
    bases = {correct.name: correct for correct in catalogue.CORRECT}
    faults = (*catalogue.FAULTS, *catalogue.FAULTS_LATER)[::EVERY]
    _seconds(bases[faults[0].base].path, bases[faults[0].base].attribute)
    with tempfile.TemporaryDirectory() as folder:
        for fault in faults:
            base = bases[fault.base]
            correct = _seconds(base.path, base.attribute)
            yield Twin(fault.name, correct, _seconds(catalogue.write(fault, Path(folder)), base.attribute))


def ratio(pairs: list[Twin]) -> float:
    """How many times as long the faulty ones take, all together."""
    return fmean(pair.faulty for pair in pairs) / fmean(pair.correct for pair in pairs)


def _seconds(path: Path, attribute: str) -> float:
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        audit(f"{path}:{attribute}")
    return time.process_time() - started
