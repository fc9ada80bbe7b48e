"""Advantages obey their recursion: each is its TD error plus gamma lambda times the next one.

Property.  A_t - gamma lambda A_t+1 = r_t + gamma V(s_t+1) - V(s_t) for every step, A = 0 behind the last; so that d
           A_t / d r_t+k = (gamma lambda)^k, and nothing before a step counts for it.
Why.       The residual names the step. A forward loop credits actions with what came before them; a decay without
           gamma or lambda gives another estimator, with more variance or more bias than was asked for; a carry read
           from its own slot forgets the future. Schulman et al. 2015, arXiv:1506.02438, eq. 16.
Applies.   Helpers that take lambda. Flags are given, and say that nothing ended.
Tested.    7 steps of 3 environments at gamma 0.9, lambda 0.8 and gamma 0.7, lambda 0.5.
Severity.  Critical: credit is spread over the wrong steps.
Fix.       Loop from the last step to the first: carry = delta[t] + gamma * lam * (1 - done[t]) * carry.
"""

import torch

from ppo_audit import Returns, Rule, Severity, Violation, worst
from ppo_audit.probes.returns import rollout_columns, td_errors_of

RULE = Rule(
    code="PPO603",
    name="recursion",
    family="returns",
    severity=Severity.CRITICAL,
    kinds=("returns",),
    needs=("role:gae_lambda",),
    must_flag=("loop_not_reversed", "lambda_ignored", "gamma_missing_in_decay", "carry_from_own_slot"),
)


def check(helper: Returns) -> Violation | None:
    for gamma, lambda_ in ((0.9, 0.8), (0.7, 0.5)):
        rollout = helper.rollout(gamma=gamma, lambda_=lambda_)
        advantage = helper.advantage(rollout)
        following = torch.cat([advantage[1:], torch.zeros_like(advantage[:1])])
        want = td_errors_of(rollout) + rollout.gamma * rollout.lambda_ * following
        violation = worst(
            Violation(
                "An advantage is not its TD error plus gamma lambda times the next advantage.",
                evidence={"gamma": rollout.gamma, "lambda": rollout.lambda_},
                site="recursion",
                explains=helper.explains("PPO603"),
            ),
            unless=((advantage - want).abs() <= 1e-6).flatten(),
            **rollout_columns(rollout),
            got=advantage.flatten(),
            want=want.flatten(),
        )
        if violation is not None:
            return violation
    return None
