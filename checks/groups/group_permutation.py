"""The order of the answers in a group, and of the groups, does not matter.

Property.  Permuting the answers of a group, or the groups, permutes the advantages in the same way.
Why.       Answers to a prompt are exchangeable. A leave-one-out mean that leaves out a neighbour, a baseline of the
           first answer, or a roll between rewards and advantages credits answers for others' rewards. Ahmadian et al.
           2024, arXiv:2402.14740, section 3.3; Shao et al. 2024, arXiv:2402.03300, section 4.1.2.
Applies.   Losses and helpers that turn rewards of groups into advantages.
Tested.    Four groups of four rewards, the answers reversed and rotated, the groups reversed.
Severity.  Critical: advantages belong to other answers.
Fix.       Use reductions over the group's axis, and subtract each answer's own reward for leave-one-out.
"""

from ppo_audit import Credit, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.groups import REWARDS, group_advantages, group_explains

RULE = Rule(
    code="PPO804",
    name="group-permutation",
    family="groups",
    severity=Severity.CRITICAL,
    kinds=("loss", "advantages"),
    needs=("role:reward",),
    must_flag=("first_answer_as_baseline", "advantages_of_neighbours"),
)


def check(judged: Subject | Credit) -> Violation | None:
    plain = group_advantages(judged, REWARDS)
    orders = {
        "answers reversed": lambda rows: rows.flip(1),
        "answers rotated": lambda rows: rows.roll(1, 1),
        "groups reversed": lambda rows: rows.flip(0),
    }
    for name, ordered in orders.items():
        got, want = group_advantages(judged, ordered(REWARDS)), ordered(plain)
        violation = worst(
            Violation(
                f"With the {name}, the advantages do not follow their rewards.",
                site="reordering" if "reordering" in judged.anatomy.sites else "centre",
                explains=group_explains(judged, "PPO804"),
            ),
            unless=((got - want).abs() <= 1e-3 * plain.abs().max()).flatten(),
            reward=ordered(REWARDS).flatten(),
            got=got.flatten(),
            want=want.flatten(),
        )
        if violation is not None:
            return violation
    return None
