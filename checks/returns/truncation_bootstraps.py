"""A time limit ends the trace, and the value of the last observation stands for what was cut off.

Property.  At a truncated step A_t = r_t + gamma V(s') - V(s_t), s' the observation that the step really led to, and
           nothing of the next episode reaches steps before it.
Why.       With the flag ignored, the reset of the environment looks like a transition: a truncated step was credited
           with +95 where values were 5 and the next episode began at 100. The observation after the reset is no
           successor either. Treating the limit as an end is biased, but is a choice where the limit is the task:
           Pardo et al. 2017, arXiv:1712.00378; the leak:
           https://github.com/Toni-SM/skrl/blob/c29ced63/skrl/agents/torch/ppo/ppo.py#L23
Applies.   Helpers told of truncation or of termination, by name. One flag for both ends, and no other, says
           nothing of the limit: its caller may fold the value into the reward. A truncated step with advantage 0 is
           left out of the loss, and passes.
Tested.    Time limits and terminations at different steps of 3 environments; the next episode's data are changed.
Severity.  Serious where the next episode leaks in; potential where the limit is an end, or V(s_t) stands for V(s').
Fix.       delta uses 1 - terminated, the carry uses 1 - (terminated | truncated), and V of the final observation is
           the bootstrap.
"""

import torch

from ppo_audit import NotApplicable, Returns, Rollout, Rule, Severity, Violation, true_advantage, worst
from ppo_audit.probes.returns import rollout_columns, time_limits, with_next_episode

RULE = Rule(
    code="PPO605",
    name="truncation-bootstraps",
    family="returns",
    severity=Severity.SERIOUS,
    kinds=("returns",),
    needs=("flags", "value"),
    must_flag=("truncation_ignored", "reset_value_as_successor", "carry_through_truncation", "trace_through_limits"),
)


def check(helper: Returns) -> Violation | None:
    if not _tells_ends_apart(helper.available):
        raise NotApplicable("one flag for both ends: what its caller does at time limits cannot be seen here")
    rollout = time_limits(helper)
    got, want = helper.advantage(rollout), true_advantage(rollout)
    other = with_next_episode(rollout)
    leaks = (other.reward == rollout.reward) & ~((helper.advantage(other) - got).abs() <= 1e-6)
    problem, severity = "The next episode reaches steps before a time limit", Severity.SERIOUS
    if not bool(leaks.any()):
        problem, severity = _milder(rollout, got), Severity.POTENTIAL
    right = (got - want).abs() <= 1e-6
    skipped = rollout.truncated & (got == 0)
    unless = ~leaks if bool(leaks.any()) else right | skipped | ~rollout.truncated
    return worst(
        Violation(
            f"{problem}.",
            evidence={"told_of": ", ".join(sorted(helper.available & {"terminated", "truncated", "done"}))},
            site="flags",
            severity=severity,
            explains=helper.explains("PPO605"),
        ),
        unless=unless.flatten(),
        **rollout_columns(rollout),
        got=got.flatten(),
        want=want.flatten(),
    )


def _tells_ends_apart(roles: frozenset[str]) -> bool:
    """Whether the helper is told of truncation, or of termination, alone or beside the end of whatever kind."""
    return bool(roles & {"truncated", "terminated"})


def _milder(rollout: Rollout, got: torch.Tensor) -> str:
    """What a helper does at a time limit that is neither right nor a leak."""
    as_end = (got - rollout.reward + rollout.value).abs() <= 1e-6
    if bool(as_end[rollout.truncated].all()):
        return "A time limit is treated as the end of the task: nothing is bootstrapped"
    return "At a time limit something other than the value of the last observation is bootstrapped"
