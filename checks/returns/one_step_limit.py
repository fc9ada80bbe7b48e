"""At lambda = 0 the advantage is the TD error.

Property.  lambda = 0 => A_t = r_t + gamma V(s_t+1) - V(s_t) for every step, the last one with the value behind it.
Why.       GAE is a sum of TD errors: where one is wrong, all are, and no lambda repairs it. Typical slips are a value
           that is not subtracted, the reward of another step, a missing gamma, the bootstrap left out. Schulman et
           al. 2015, arXiv:1506.02438, eq. 17.
Applies.   Helpers that take rewards, values and lambda. Flags are given, and say that nothing ended.
Tested.    7 steps of 3 environments, gamma 0.9; where the helper knows no value behind the last step, that one ends.
Severity.  Critical: every advantage is biased.
Fix.       delta = reward[t] + gamma * next_value * (1 - done) - value[t].
"""

from ppo_audit import Returns, Rule, Severity, Violation, worst
from ppo_audit.probes.returns import rollout_columns, td_errors_of

RULE = Rule(
    code="PPO601",
    name="one-step-limit",
    family="returns",
    severity=Severity.CRITICAL,
    kinds=("returns",),
    needs=("role:gae_lambda", "value"),
    must_flag=("value_not_subtracted", "gamma_forgotten_in_delta", "reward_one_step_late", "last_bootstrap_forgotten"),
)


def check(helper: Returns) -> Violation | None:
    rollout = helper.rollout(lambda_=0.0)
    got, want = helper.advantage(rollout), td_errors_of(rollout)
    return worst(
        Violation(
            "At lambda = 0 the advantage is not the TD error r + gamma V(s') - V(s).",
            evidence={"gamma": rollout.gamma, "lambda": 0.0},
            site="delta",
            explains=helper.explains("PPO601"),
        ),
        unless=((got - want).abs() <= 1e-6).flatten(),
        **rollout_columns(rollout),
        got=got.flatten(),
        want=want.flatten(),
    )
