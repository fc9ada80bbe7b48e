"""Exact values leave no advantage, and the unit of reward does not matter.

Property.  r_t = V(s_t) - gamma V(s_t+1) (1 - terminated) => A = 0 for every lambda; and A(c r, c V) = c A(r, V).
Why.       Both hold for any correct estimator, whatever its form, without a second implementation to compare with. A
           hidden constant breaks them: rewards clipped or normalised inside, an epsilon, a gamma of its own. Schulman
           et al. 2015, arXiv:1506.02438, eq. 10 (a gamma-just estimator of the TD error) and eq. 16.
Applies.   Helpers of rewards and values; those without values have the second half only. Clip rewards outside, where
           it shows.
Tested.    7 steps of 3 environments, with ends of episodes where the helper takes flags; c = 100.
Severity.  Critical: what is learnt depends on the unit of reward, or drifts where there is nothing to learn.
Fix.       Use the arguments as they are; normalise and clip rewards before, in one place.
"""

from ppo_audit import Returns, Rule, Severity, Violation, worst
from ppo_audit.probes.returns import bellman_consistent, rollout_columns, scale_error

RULE = Rule(
    code="PPO608",
    name="bellman-consistent-is-zero",
    family="returns",
    severity=Severity.CRITICAL,
    kinds=("returns",),
    must_flag=("rewards_clipped_inside", "advantage_clipped_inside"),
)


def check(helper: Returns) -> Violation | None:
    rollout = helper.rollout(seed=9)
    error = scale_error(helper)
    scaling = worst(
        Violation(
            "A hundredfold reward and value is not a hundredfold advantage.",
            site="recursion",
            explains=helper.explains("PPO608"),
        ),
        unless=(error <= 1e-6).flatten(),
        **rollout_columns(rollout),
        got=error.flatten(),
        want="no difference",
    )
    if scaling is not None or "value" not in helper.available:
        return scaling
    exact = bellman_consistent(helper)
    got = helper.advantage(exact)
    return worst(
        Violation("Values that are exact leave an advantage.", site="delta", explains=helper.explains("PPO608")),
        unless=(got.abs() <= 1e-6).flatten(),
        **rollout_columns(exact),
        got=got.flatten(),
        want=0.0,
    )
