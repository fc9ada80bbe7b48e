"""More entropy means a lower loss.

Property.  d loss / d H_i = -c m_i / N with c > 0: raising the policy's entropy lowers the total loss, and by its
           gradient.
Why.       The bonus keeps the policy exploring. With the sign turned round the optimiser collapses the policy onto one
           action, which looks like fast convergence at first; detached, it is counted and never felt. Schulman et al.
           2017, arXiv:1707.06347, eq. 9.
Applies.   Losses with an entropy term, given, or computed from the distribution. Names do not count: a variable called
           `entropy_loss` may hold -H and be added.
Tested.    The derivative of the total loss with respect to the entropy of each of 8 samples; with a coefficient of
           zero, of the unscaled term. Where the target computes the entropy itself, with respect to that intermediate.
Severity.  Critical: exploration is punished.
Fix.       Subtract coefficient x mean(entropy) from the loss.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO401",
    name="entropy-sign",
    family="entropy",
    severity=Severity.CRITICAL,
    needs=("entropy",),
    must_flag=("entropy_added", "entropy_of_log_prob_added"),
)


def check(subject: Subject) -> Violation | None:
    gradient = subject.entropy_gradient()
    is_dead = not bool((gradient != 0).any())
    return worst(
        Violation(
            "The entropy is part of the loss, but no gradient reaches it."
            if is_dead
            else "Raising the entropy raises the loss: the bonus has the wrong sign.",
            site="entropy_weight",
            explains=("PPO404",) if is_dead else (),
        ),
        unless=(gradient <= 0) & (not is_dead),
        sample=torch.arange(len(gradient)),
        got=gradient,
        want="negative",
    )
