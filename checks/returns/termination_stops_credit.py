"""Where an episode terminates, credit stops.

Property.  At a terminated step A_t = r_t - V(s_t): no value of the next observation and no later advantage; steps of
           an episode keep what they had, whatever comes after its end.
Why.       A bootstrap through the end promises reward where there is none, and a carry across it credits actions with
           the next episode, which they did not influence. A flag that is read one step off does both. Schulman et al.
           2015, arXiv:1506.02438, section 3; both readings of a flag are in use, step t ended
           (https://github.com/DLR-RM/stable-baselines3/blob/b018e4bc949503b990c3012c0e36c9384de770e6/stable_baselines3/common/buffers.py#L425)
           or step t begins an episode.
Applies.   Helpers that take flags. The reading that fits is found first, by name and by trying; a fault is what fits
           neither.
Tested.    Ends at the first and last step, at two steps in a row, one in each environment; gamma 0.9, lambda 0.8.
Severity.  Critical: credit crosses the end of an episode.
Fix.       Multiply both the bootstrap and the carry by 1 - done of the same step.
"""

from ppo_audit import ENDS, Returns, Rule, Severity, Violation, true_advantage, worst
from ppo_audit.probes.returns import rollout_columns, takes_flags_inverted

RULE = Rule(
    code="PPO604",
    name="termination-stops-credit",
    family="returns",
    severity=Severity.CRITICAL,
    kinds=("returns",),
    needs=("flags",),
    must_flag=("carry_through_ends", "bootstrap_through_ends", "flag_one_step_early", "flags_inverted"),
)


def check(helper: Returns) -> Violation | None:
    rollout = helper.rollout(ENDS, seed=2)
    got, want = helper.advantage(rollout), true_advantage(rollout)
    inverted = takes_flags_inverted(helper)
    problem = (
        "Flags are read the wrong way round"
        if inverted
        else "Advantages before the end of an episode depend on what lies behind it"
    )
    return worst(
        Violation(
            f"{problem}, or are wrong at the end itself."
            if not inverted
            else f"{problem}: credit stops where nothing ended.",
            evidence={"gamma": rollout.gamma, "lambda": rollout.lambda_, "flags": helper.convention.timing},
            site="flags",
            explains=helper.explains("PPO604"),
        ),
        unless=((got - want).abs() <= 1e-6).flatten(),
        terminated=rollout.terminated.flatten().long(),
        **rollout_columns(rollout),
        got=got.flatten(),
        want=want.flatten(),
    )
