"""Batches whose shape, regime and seed Hypothesis draws, and shrinks to the smallest that fails.

It draws four small numbers and never the entries of a tensor, which come from the seed, so that a case costs one call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch

from ppo_audit.subjects.batch import Batch
from ppo_audit.subjects.direct import Direct
from ppo_audit.subjects.subject import Subject

EXAMPLES = 20
MOST_ROWS, MOST_TOKENS, SEEDS = 33, 9, 99


@dataclass(frozen=True)
class Drawn:
    """A batch in four words: what a reader needs to make it again."""

    samples: int
    tokens: int
    regime: str
    seed: int

    def batch(self, direct: Direct) -> Batch:
        """The batch that the words stand for."""
        has_ends = self.tokens > 1  # a sequence of one token that is masked would be none at all
        is_ragged = self.regime == "masked ends" and has_ends
        batch = direct.batch(self.samples, self.tokens, self.seed, ragged=is_ragged)
        return REGIMES[self.regime](batch)

    def words(self, subject: Subject) -> dict[str, object]:
        """What is told of it as a counterexample; tokens only where the target takes them."""
        has_tokens = subject.layout.name.startswith("tokens")
        return {name: value for name, value in asdict(self).items() if has_tokens or name != "tokens"}


def shifted(batch: Batch, log_ratios: tuple[float, ...]) -> Batch:
    """The batch with its new log-probs, in their own shape, at these log-ratios in turn, as far as there are pairs."""
    new, old = batch.get("log_prob"), batch.get("old_log_prob")
    if not isinstance(new, torch.Tensor) or not isinstance(old, torch.Tensor):
        return batch
    sides = torch.tensor(log_ratios, dtype=torch.float64)[torch.arange(new.numel()) % len(log_ratios)]
    base = old if old.numel() == new.numel() else new
    return {**batch, "log_prob": base.reshape(new.shape) + sides.reshape(new.shape)}


def _far(batch: Batch) -> Batch:
    return shifted(batch, (4.0, -4.0))


def _signed(batch: Batch) -> Batch:
    credit = batch.get("advantage")
    return {**batch, "advantage": credit.abs()} if isinstance(credit, torch.Tensor) else batch


REGIMES: dict[str, Callable[[Batch], Batch]] = {
    "ordinary": lambda batch: batch,
    "masked ends": lambda batch: batch,
    "far ratios": _far,
    "advantages of one sign": _signed,
}


def smallest(fails: Callable[[Drawn], bool]) -> Drawn | None:
    """The smallest of the batches drawn for which something fails, the same at every run; None where none does."""
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import NoSuchExample

    chosen = settings(
        derandomize=True,
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    words = st.builds(
        Drawn,
        st.integers(1, MOST_ROWS),
        st.integers(1, MOST_TOKENS),
        st.sampled_from(list(REGIMES)),
        st.integers(0, SEEDS),
    )
    try:
        found = find(words, fails, settings=chosen)
    except NoSuchExample:
        return None
    # Shrinking ends where no small step helps; a batch size may fail by its remainder, so it is counted up from one.
    fewer = (replace(found, samples=count) for count in range(1, found.samples))
    return next((each for each in fewer if fails(each)), found)
