"""The target of the critic is advantage plus value.

Property.  returns_t = A_t + V(s_t), with the advantage before any normalisation; or the discounted rewards to go.
Why.       The lambda-return is the target that belongs to the GAE advantage. Returns that are the advantages
           themselves teach the critic its own error; returns made of normalised advantages have the wrong scale and
           lose the mean. Schulman et al. 2015, arXiv:1506.02438, section 5; 37 details: detail 5 of
           https://github.com/vwxyzjn/cleanrl/blob/fe8d8a03/cleanrl/ppo.py
Applies.   Helpers that return both. Rewards to go as the target beside GAE advantages (Spinning Up) pass.
Tested.    7 steps of 3 environments, with and without ends of episodes.
Severity.  Serious: the critic learns another quantity than the advantages assume.
Fix.       returns = advantages + values, before the advantages are normalised.
"""

from ppo_audit import ENDS, Returns, Rule, Severity, Violation, rewards_to_go, worst
from ppo_audit.probes.returns import rollout_columns

RULE = Rule(
    code="PPO606",
    name="target-is-advantage-plus-value",
    family="returns",
    severity=Severity.SERIOUS,
    kinds=("returns",),
    needs=("both_outputs",),
    must_flag=("returns_are_advantages", "returns_of_normalised", "returns_minus_values"),
)


def check(helper: Returns) -> Violation | None:
    for ends in (None, ENDS):
        rollout = helper.rollout(ends, seed=4)
        got = helper.outputs(rollout)[helper.convention.returns or ""]
        want = helper.advantage(rollout) + rollout.value
        fits = (got - want).abs() <= 1e-5
        if bool(((got - rewards_to_go(rollout)).abs() <= 1e-5).all()):
            continue
        violation = worst(
            Violation("The returned target is neither advantage plus value nor the rewards to go.", site="returns"),
            unless=fits.flatten(),
            **rollout_columns(rollout),
            got=got.flatten(),
            want=want.flatten(),
        )
        if violation is not None:
            return violation
    return None
