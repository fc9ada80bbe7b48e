"""Log-prob functions and clip fractions under the gate: numbers of designed policies, actions and ratios."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ppo_audit.gate.cases import FAR, LOG_RATIOS, Case
from ppo_audit.gate.helper_cases import FAILURES
from ppo_audit.gate.reading import Operation, Reading, empty, noise_among
from ppo_audit.helpers.log_prob import LogProb
from ppo_audit.helpers.metric import ClipFraction

SEEDS = 3
LIKELY = (0.0, -5.0, -20.0, -60.0)
"""Logits of the action taken, below those of the others: down to probabilities that no float32 holds."""


@dataclass(frozen=True)
class LogProbGauge:
    """A function that gives the log-prob of an action."""

    helper: LogProb

    def cases(self) -> list[Case]:
        """Random policies of several spreads, and ever less likely actions."""
        found = [Case(f"policies {seed + 1}", self.helper.policies(seed)) for seed in range(SEEDS)]
        wide = {role: 5 * tensor for role, tensor in self.helper.policies(SEEDS).items()}
        found.append(Case("policies far apart", wide))
        return [*found, *map(self._unlikely, LIKELY)] if self.helper.is_categorical else found

    def _unlikely(self, logit: float) -> Case:
        action = self.helper.actions()
        logits = self.helper.policies(0)["logits"]
        return Case(f"actions at a logit of {logit:g}", {"logits": logits.scatter(-1, action[:, None], logit)})

    def read(self, case: Case) -> Reading:
        """The joint log-prob of each action."""
        try:
            out = self.helper.log_probs(dict(case.batch), self.helper.actions())
        except FAILURES as error:
            return empty(case, type(error.__cause__ or error).__name__)
        return Reading(case.name, case.dtype, numbers={"returned 0": tuple(out.double().tolist())})

    def noise(self, case: Case, reading: Reading) -> Mapping[str, float]:
        """How far the numbers move when the policies move by a rounding."""
        nudged = {role: tensor * (1 + 2**-52) for role, tensor in case.batch.items()}
        return noise_among(reading.numbers, [self.read(dataclasses.replace(case, batch=nudged)).numbers])

    def operations(self, case: Case) -> tuple[Operation, ...]:
        """Such functions may compute in arrays, which the recorder does not see."""
        return ()


@dataclass(frozen=True)
class ClipFractionGauge:
    """A function that counts how many samples are clipped."""

    helper: ClipFraction

    def cases(self) -> list[Case]:
        """Log-ratios on a grid off the usual bounds, for both signs of the advantage, and every third one masked."""
        every = torch.tensor((*LOG_RATIOS, *FAR[:2]), dtype=torch.float64)
        keep = (torch.arange(len(every)) % 3 != 1).double()
        signs = {"advantages above 0": torch.ones_like(every), "advantages below 0": -torch.ones_like(every)}
        found = [Case(name, {"log_ratio": every, "advantage": sign}) for name, sign in signs.items()]
        found += [Case(f"ratios about {r.exp():.3g}", _pair(r)) for r in every]
        if "mask" in self.helper.available:
            found.append(Case("ragged mask", {"log_ratio": every, "advantage": keep, "keep": keep}))
        return found

    def read(self, case: Case) -> Reading:
        """The number that is returned."""
        try:
            found = self.helper.share(case.batch["log_ratio"], case.batch["advantage"], case.batch.get("keep"))
        except FAILURES as error:
            return empty(case, type(error.__cause__ or error).__name__)
        return Reading(case.name, case.dtype, numbers={"returned 0": (found,)})

    def noise(self, case: Case, reading: Reading) -> Mapping[str, float]:
        """A count does not move, but by its own precision where it is divided."""
        return dict.fromkeys(reading.numbers, 2**-23)

    def operations(self, case: Case) -> tuple[Operation, ...]:
        """Such functions may compute in arrays, which the recorder does not see."""
        return ()


def _pair(log_ratio: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same log-ratio twice, with an advantage of either sign."""
    return {"log_ratio": log_ratio.repeat(2), "advantage": torch.tensor([1.0, -1.0], dtype=torch.float64)}
