"""What the loss asks to change is trained: policy and critic belong to an optimizer.

Property.  The parameters that only the value, or only the log-prob, comes of are held by an optimizer, or change.
Why.       A loss can be right and train nothing: an optimizer built from the policy's parameters alone, or before a
           network was replaced by a copy, leaves the critic as it was born. Its loss is logged and goes nowhere, and
           every advantage is then measured against noise; learning continues, only worse. Such slips are among those
           that decide results in Engstrom et al. 2020, arXiv:2005.12729.
Applies.   Trainers whose optimizers are torch's. Parameters that policy and critic share are left out: to train a head
           on a frozen trunk is a choice.
Tested.    Which parameters the recorded log-probs and values come of, which any optimizer holds, and which kept their
           values bit for bit. A spread of the actions that alone is not trained is potential.
Severity.  Critical: a part of the trainer learns nothing.
Fix.       Give the optimizer the parameters of both: `Adam([*actor.parameters(), *critic.parameters()])`.
"""

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation
from ppo_audit.probes.loop import built_at, come_of, loop_of, names_of, trained

RULE = Rule(
    code="PPO904",
    name="gradient-flow",
    family="gradient-flow",
    severity=Severity.CRITICAL,
    kinds=("trainer",),
    needs=("loop",),
)
SPREAD = ("std", "sigma", "scale")


def check(subject: Subject) -> Violation | None:
    loop = loop_of(subject)
    if not trained(loop):
        raise NotApplicable("no optimizer of torch was seen to train anything")
    for role, other, what in (("value", "log_prob", "critic"), ("log_prob", "value", "policy")):
        own = come_of(loop, role) - come_of(loop, other)
        left = (own - trained(loop)) & loop.unmoved
        names = names_of(loop, left)
        is_spread = role == "log_prob" and bool(left) and all(name.lower().endswith(ENDINGS) for name in names)
        if left and (left == own or is_spread):
            return Violation(
                f"No optimizer holds the parameters that only the {what} has: they stay as they are.",
                evidence={"parameters": names[:5], "how_many": len(left), "trained": len(trained(loop))},
                counterexample={"parameter": names[0], "held_by_an_optimizer": False, "changed": False},
                severity=Severity.POTENTIAL if is_spread and left != own else None,
                signature=f"untrained {what}",
                place=built_at(loop),
            )
    return None


ENDINGS = tuple(f"{word}{end}" for word in SPREAD for end in ("", "s", "dev", "_dev"))
