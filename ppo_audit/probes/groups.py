"""Group-relative advantages, of a loss that takes rewards or of a helper alone: what rules about them measure."""

from __future__ import annotations

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.helpers.credit import Credit
from ppo_audit.probes.options import options
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.helper_names import GROUP_SIZE

GROUPS, SIZE = 4, 4
REWARDS = torch.tensor(
    [[0.1, 0.9, 0.4, 0.3], [2.0, 1.2, 1.7, 0.6], [-1.0, 0.5, 0.2, -0.4], [0.8, 0.1, 0.6, 1.4]], dtype=torch.float64
)
"""Four groups of four, of different mean and spread."""


def group_advantages(judged: Subject | Credit, reward: torch.Tensor) -> torch.Tensor:
    """What rewards (P, G), completions of one prompt in one row, become; raises NotApplicable without groups."""
    if isinstance(judged, Subject) and "effective_advantage" not in judged.anatomy.cuts:
        raise NotApplicable("the loss makes no advantages of its rewards")
    count, size = reward.shape
    roles = (
        {"group": torch.arange(count).repeat_interleave(size)}
        if isinstance(judged, Credit) or "group" in judged.available
        else {}
    )
    flat = reward.reshape(-1)
    if isinstance(judged, Credit):
        return judged.normalised(**roles, reward=flat).reshape(count, size)
    if not roles and takes_a_fixed_baseline(judged.made_of_rewards(REWARDS.flatten())):
        raise NotApplicable("a fixed baseline is taken off each reward: the loss knows no groups")
    if not roles and _is_of_one_group(judged, flat):
        return torch.stack([judged.made_of_rewards(group) for group in reward])
    return judged.made_of_rewards(flat, **roles).reshape(count, size)


def _is_of_one_group(subject: Subject, flat: torch.Tensor) -> bool:
    """Whether a loss that offers no size of a group follows any order of all rewards: each call is of one group."""
    if any(GROUP_SIZE.match(offered.name.lower()) for offered in options(subject)):
        return False
    order = torch.randperm(len(flat), generator=torch.Generator().manual_seed(0))
    made, other = subject.made_of_rewards(flat), subject.made_of_rewards(flat[order])
    return torch.allclose(made[order], other, atol=1e-5)


def group_scale(judged: Subject | Credit) -> float:
    """What a threefold reward does to the advantages: 1 with a deviation, 3 without, a third with a variance."""
    plain, tripled = (group_advantages(judged, factor * REWARDS) for factor in (1.0, 3.0))
    return float((tripled * plain).sum() / (plain**2).sum())


CHAIN = ("PPO801", "PPO802", "PPO803", "PPO804", "PPO805")


def group_explains(judged: Subject | Credit, code: str) -> tuple[str, ...]:
    """The rules that a violation of this one explains: all that judge the same advantages, where it is the root."""
    return tuple(other for other in CHAIN if other != code) if code == _root(judged) else ()


def _root(judged: Subject | Credit) -> str:
    """802: another group's reward does more than rescale; 804: a group's own order counts; 801: its mean stays."""
    before, after = (group_advantages(judged, given) for given in (REWARDS, one_changed()))
    factor = (after[1:] * before[1:]).sum() / (before[1:] ** 2).sum()
    if not bool((after[1:] - factor * before[1:]).abs().max() <= 1e-3 * before.abs().max()):
        return "PPO802"
    turned = group_advantages(judged, REWARDS.flip(1)).flip(1)
    if bool((turned - before).abs().max() > 1e-6 * before.abs().max()):
        return "PPO804"
    sums = before.sum(1).abs().max()
    return "PPO801" if bool(sums > 1e-3 * before.abs().max()) else "PPO805"


def one_changed() -> torch.Tensor:
    """The same rewards, but for one answer of the first group."""
    other = REWARDS.clone()
    other[0, 1] += 3.0
    return other


def takes_a_fixed_baseline(advantages: torch.Tensor) -> bool:
    """Whether each advantage is its reward less one number that no reward changes, as a running mean is."""
    taken = REWARDS.flatten() - advantages
    level, mean = float(taken.mean()), float(REWARDS.mean())
    return bool((taken - level).abs().max() <= 1e-6) and abs(level) > 1e-3 and abs(level - mean) > 1e-3
