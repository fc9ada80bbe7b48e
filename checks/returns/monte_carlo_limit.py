"""At lambda = 1 advantage plus value is the discounted return.

Property.  lambda = 1 => A_t + V(s_t) = r_t + gamma r_t+1 + ... + gamma^n V(s_t+n), added up forward from every step,
           with the value behind the last step where the helper is given one.
Why.       The sum is the definition; a recursion is a way to compute it. Adding up forward shares no line with it, so
           a slip in the decay, the direction of the loop or the last step cannot hide. Schulman et al. 2015,
           arXiv:1506.02438, eq. 18.
Applies.   Helpers of rewards with lambda, and those that have lambda = 1 built in: rewards to go, bootstrapped
           returns.
Tested.    7 steps of 3 environments, gamma 0.9; flags are given, and say that nothing ended.
Severity.  Critical: credit goes to steps that did not earn it.
Fix.       running = reward[t] + gamma * (1 - done[t]) * running, from the last step to the first.
"""

import torch

from ppo_audit import NotApplicable, Returns, Rule, Severity, Violation, worst
from ppo_audit.probes.returns import rollout_columns

RULE = Rule(
    code="PPO602",
    name="monte-carlo-limit",
    family="returns",
    severity=Severity.CRITICAL,
    kinds=("returns",),
    must_flag=("rewards_to_go_undiscounted", "rewards_to_go_not_restored", "returns_without_bootstrap"),
)


def check(helper: Returns) -> Violation | None:
    rollout = helper.rollout(lambda_=1.0)
    if rollout.lambda_ not in (0.0, 1.0):
        raise NotApplicable(f"the helper has lambda = {rollout.lambda_:g} built in")
    horizon = len(rollout.reward) if rollout.lambda_ == 1.0 else 1
    ends_last = bool(rollout.terminated[-1].any())
    want = forward(rollout.reward, rollout.next_value, rollout.gamma, horizon, ends_last)
    got = helper.advantage(rollout) + rollout.value
    return worst(
        Violation(
            f"Advantage plus value is not the discounted return over {'all' if horizon > 1 else 'one of the'} steps.",
            evidence={"gamma": rollout.gamma, "lambda": rollout.lambda_},
            site="recursion",
            explains=helper.explains("PPO602"),
        ),
        unless=((got - want).abs() <= 1e-6).flatten(),
        **rollout_columns(rollout),
        got=got.flatten(),
        want=want.flatten(),
    )


def forward(
    reward: torch.Tensor, next_value: torch.Tensor, gamma: float, horizon: int, ends_last: bool
) -> torch.Tensor:
    """Discounted rewards of up to `horizon` steps and the value behind them, (T, N), added up from each step."""
    total = torch.zeros_like(reward)
    for step in range(len(reward)):
        last = min(step + horizon, len(reward)) - 1
        for later in range(step, last + 1):
            total[step] += gamma ** (later - step) * reward[later]
        if not (ends_last and last == len(reward) - 1):
            total[step] += gamma ** (last - step + 1) * next_value[last]
    return total
