"""Equal inputs give equal losses and gradients.

Property.  Calls on equal inputs agree bit for bit, in the loss and in every gradient.
Why.       A loss that draws random numbers, or remembers its last call, cannot be compared with anything: not with its
           own replay over the epochs, and not by the rules that follow. PyTorch's gradcheck compares two backward
           passes first, https://github.com/pytorch/pytorch/blob/v2.13.0/torch/autograd/gradcheck.py; at fixed
           log-probs, values and advantages Schulman et al. 2017, arXiv:1707.06347, eq. 9 has no random part.
           A coefficient that adapts itself inside the loss also moves where the loss is only evaluated.
Applies.   Functions that are called. A recording is replayed from the same operations and always agrees; of a module
           lifted from one call, the buffers that the loss reads are compared before and after that call.
Tested.    Four calls on one batch of 256 samples, in which rare noise shows. The generators of random, numpy and torch
           go on from call to call: they are not reseeded.
Severity.  Serious: noise is added to the update. What the comparing rules then find stands below this finding.
Fix.       Draw noise where the data is collected; put modules with dropout into `eval()` or move it before the
           log-probs.
"""

from ppo_audit import Rule, Severity, Subject, Violation

RULE = Rule(
    code="PPO002",
    name="deterministic",
    family="target",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "kl", "entropy", "reduction"),
    needs=("direct_call",),
    must_flag=("noise_on_advantages", "dropout_left_on"),
)
CALLS, SAMPLES = 4, 256


def check(subject: Subject) -> Violation | None:
    return remembers(subject) or differs(subject)


def remembers(subject: Subject) -> Violation | None:
    """Whether the call that was recorded changed a buffer that the loss reads."""
    for name, (before, after) in subject.remembered.items():
        return Violation(
            f"The loss reads the buffer `{name}` and changes it, so that the next call on equal inputs differs.",
            counterexample={"buffer": name, "before": before.tolist(), "after": after.tolist()},
            site=f"memory:{name}_source",
            signature=name,
        )
    return None


def differs(subject: Subject) -> Violation | None:
    """Whether calls on equal inputs differ."""
    direct = subject.direct
    batch = direct.batch(sequences=SAMPLES, ragged=True)
    first = direct.observe(batch)
    for call in range(2, CALLS + 1):
        other = direct.observe(batch)
        differing = other.unlike(first)
        if differing:
            return Violation(
                f"Two calls on equal inputs differ in {differing[0]}.",
                counterexample={"call": call, "got": other.loss.item(), "want": first.loss.item()},
                evidence={"differing": differing},
                site="total",
                place=direct.parting(first.run, other.run),
            )
    return None
