"""The target leaves generators, modes and defaults as it found them.

Property.  After a call, gradient mode, default dtype, the seed of torch's generator, the number of threads, and
           deterministic and anomaly mode are what they were before it.
Why.       A seed set inside a loss makes every minibatch shuffle and every sampled action of the run repeat; a gradient
           mode that stays off leaves the next loss without a graph; a default dtype changes networks that are built
           later. The loss of Schulman et al. 2017, arXiv:1707.06347, eq. 9 is a function of its batch alone.
Applies.   Functions that are called. Drawing from a generator shows in the result and is PPO002's.
Tested.    One call on eight samples, watched line by line in the target's own code.
Severity.  Potential: what it costs depends on what runs next.
Fix.       Seed once where the run starts; use `with torch.no_grad():` in place of `torch.set_grad_enabled(False)`.
"""

from ppo_audit import Rule, Severity, Subject, Violation
from ppo_audit.probes.global_state import left_changed

RULE = Rule(
    code="PPO004",
    name="leaves-global-state-alone",
    family="target",
    severity=Severity.POTENTIAL,
    needs=("direct_call",),
    must_flag=("seeds_in_the_loss", "gradients_left_off", "default_dtype_changed"),
)


def check(subject: Subject) -> Violation | None:
    changed = left_changed(subject)
    for name, (before, after, place) in changed.items():
        return Violation(
            f"The target changes {name}, and leaves it changed.",
            counterexample={"got": str(after), "want": str(before)},
            evidence={"changed": list(changed)},
            signature=name,
            place=place,
        )
    return None
