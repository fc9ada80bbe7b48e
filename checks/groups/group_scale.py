"""Group advantages are divided by a standard deviation, or by nothing.

Property.  Rewards times c > 0: advantages are unchanged where the group's deviation is divided out, c-fold where
           nothing is. For rewards 0 and 1 with a share p of ones, sqrt((1 - p) / p) and -sqrt(p / (1 - p)), or times
           sqrt((G - 1) / G).
Why.       A variance in place of the deviation makes a prompt with small differences dominate the batch, by the
           square; an epsilon under a root, or as large as the deviation, does it the other way. Dr. GRPO,
           arXiv:2503.20783, section 3.2, leaves the division out on purpose; Shao et al. 2024, arXiv:2402.03300,
           section 4.1.2, divides.
Applies.   Losses and helpers that turn rewards of groups into advantages; either deviation, of the group or of the
           batch.
Tested.    Four groups of four rewards, and the same times 3.
Severity.  Serious: the weight of a prompt depends on the unit of its reward.
Fix.       (rewards - mean) / (std + 1e-4), or rewards - mean.
"""

from ppo_audit import Credit, Rule, Severity, Subject, Violation
from ppo_audit.probes.groups import group_scale

RULE = Rule(
    code="PPO805",
    name="group-scale",
    family="groups",
    severity=Severity.SERIOUS,
    kinds=("loss", "advantages"),
    needs=("role:reward",),
    must_flag=("group_variance_for_std", "group_root_forgotten"),
)
TRIPLED, TOLERANCE = 3.0, 0.02


def check(judged: Subject | Credit) -> Violation | None:
    factor = group_scale(judged)
    if abs(factor - 1.0) <= TOLERANCE or abs(factor - TRIPLED) <= TOLERANCE * TRIPLED:
        return None
    return Violation(
        f"Threefold rewards give {factor:.3g}-fold advantages; a deviation gives 1, no division 3, a variance a third.",
        counterexample={"rewards_times": TRIPLED, "got": round(factor, 4), "want": "1 or 3"},
        site="spread",
    )
