"""An ordinary batch gives a finite loss and finite gradients.

Property.  For log-ratios within the clip, advantages and values of order one and no empty row, the loss and the
           gradient for every input are finite.
Why.       One NaN reaches every parameter in one step, and the optimiser's moments keep it for good. None of the terms
           of Schulman et al. 2017, arXiv:1707.06347, eq. 9 is singular anywhere near such a batch.
Applies.   Functions that are called; a recording with a loss that is not finite could not have been made.
Tested.    Sixteen batches of eight samples, half of them with masked ends where there is a mask.
Severity.  Critical: the first update destroys the policy. What other rules then miss stands below this finding.
Fix.       Take logarithms and roots of what is positive by construction; select with `where` before, not after, the
           operation that may fail.
"""

from ppo_audit import Rule, Severity, Subject, Violation

RULE = Rule(
    code="PPO005",
    name="finite-on-ordinary-input",
    family="target",
    severity=Severity.CRITICAL,
    kinds=("loss", "trainer", "kl", "entropy", "reduction"),
    needs=("direct_call",),
    must_flag=("log_of_log_std", "log_of_log_ratio"),
)
SECONDARY = (
    "PPO006 PPO101 PPO102 PPO103 PPO104 PPO105 PPO106 PPO107 PPO108 PPO109 PPO110 PPO111 PPO112 PPO113 PPO201 PPO202 "
    "PPO203 PPO204 PPO205 PPO206 PPO301 PPO302 PPO303 PPO304 PPO305 PPO306 PPO401 PPO402 PPO403 PPO404 PPO411 PPO412 "
    "PPO413 PPO414 PPO415 PPO501 PPO502 PPO503 PPO504 PPO505 PPO506 PPO507 PPO509 PPO510 PPO511 PPO701 PPO702 PPO704"
)
BATCHES = 16


def check(subject: Subject) -> Violation | None:
    direct = subject.direct
    for seed in range(BATCHES):
        seen = direct.observe(direct.batch(seed=seed, ragged=seed % 2 == 1))
        if not seen.is_finite:
            return Violation(
                f"On an ordinary batch {seen.non_finite[0]} is not finite.",
                counterexample={"seed": seed, "got": seen.loss.item(), "want": "finite"},
                evidence={"not_finite": seen.non_finite},
                explains=tuple(SECONDARY.split()),
                place=direct.turning_non_finite(seen.run),
            )
    return None
