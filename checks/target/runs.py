"""The target runs on every valid batch, however small or plain.

Property.  A loss that runs on an ordinary batch raises on no other valid one.
Why.       Trainers meet these batches: the last minibatch holds one sample, a sparse reward gives advantages that are
           all zero, responses end at different lengths. The run dies hours after it began, or a handler drops the
           batch unseen. Algorithm 1 of Schulman et al. 2017, arXiv:1707.06347, allows minibatches of every size M <= N
           T.
Applies.   Functions that are called; a recording is not called again. Shapes and dtypes other than those in which the
           target takes its inputs are not valid.
Tested.    8 and 128 samples, one sample, one token, zero and constant advantages, log-ratios of +-20 and +-100,
           sequences of different length, float32, and tensors whose memory is not contiguous; then twenty batches of 1
           to 33 samples of 1 to 9 tokens, drawn by Hypothesis, which shrinks one that is refused.
Severity.  Critical: training stops. Potential where only log-ratios of 100 or inputs that are not contiguous are
           refused.
Fix.       Guard what needs two samples with `if len(advantages) > 1`; use `reshape` where `view` refuses.
"""

from collections.abc import Iterator

import torch

from ppo_audit import Rule, Severity, Subject, Violation
from ppo_audit.probes.drawn import shifted, smallest

RULE = Rule(
    code="PPO001",
    name="runs",
    family="target",
    severity=Severity.CRITICAL,
    kinds=("loss", "trainer", "kl", "entropy", "reduction"),
    needs=("direct_call",),
    must_flag=("two_samples_demanded", "ragged_rows_stacked"),
)
FAR = ("log-ratios of 100", "log-ratios of -100", "inputs that are not contiguous")
Batch = dict[str, torch.Tensor | float]


def check(subject: Subject) -> Violation | None:
    direct = subject.direct
    errors = {name: direct.raised(batch, dtype) for name, batch, dtype in strata(subject)}
    refused = {name: error for name, error in errors.items() if error is not None}
    if not refused:
        return of_drawn(subject)
    name = min(refused, key=lambda name: name in FAR)
    return Violation(
        f"On {name} {refused[name]}.",
        counterexample={"batch": name},
        evidence={"refused": list(refused), "accepted": [name for name in errors if name not in refused]},
        severity=Severity.POTENTIAL if name in FAR else Severity.CRITICAL,
        explains=("PPO503",),
        place=refused[name].place,
    )


def of_drawn(subject: Subject) -> Violation | None:
    """The smallest batch of another shape, regime and seed that the target refuses."""
    if "reward" in subject.available:  # whole groups only
        return None
    direct = subject.direct
    drawn = smallest(lambda each: direct.raised(each.batch(direct)) is not None)
    error = direct.raised(drawn.batch(direct)) if drawn is not None else None
    if drawn is None or error is None:
        return None
    words = drawn.words(subject)
    text = f"On {', '.join(f'{name} {value}' for name, value in words.items())}: {error}."
    return Violation(text, words, explains=("PPO503",), signature="drawn", place=error.place)


def strata(subject: Subject) -> Iterator[tuple[str, Batch, torch.dtype | None]]:
    """Valid batches by name, the plainest first, with the dtype to call with where it is not the usual one."""
    direct = subject.direct
    ordinary = direct.batch()
    yield "an ordinary batch", ordinary, None
    yield "a large batch", direct.batch(sequences=128), None
    if "reward" not in ordinary:  # rewards come in whole groups, of a size that only the target knows
        yield "one sample", direct.batch(sequences=1), None
        yield "one sample of one token", direct.batch(sequences=1, tokens=1), None
    if "advantage" in ordinary:
        nothing = torch.zeros_like(ordinary["advantage"])
        yield "advantages that are all zero", {**ordinary, "advantage": nothing}, None
        yield "advantages that are all equal", {**ordinary, "advantage": nothing + 0.3}, None
    for log_ratio in (20, -20, 100, -100) if {"log_prob", "old_log_prob"} <= ordinary.keys() else ():
        yield f"log-ratios of {log_ratio}", shifted(ordinary, (log_ratio,)), None
    if "mask" in ordinary:
        yield "sequences of different length", direct.batch(ragged=True), None
    yield "float32 inputs", ordinary, torch.float32
    yield "inputs that are not contiguous", {role: transposed(value) for role, value in ordinary.items()}, None


def transposed(value: torch.Tensor | float) -> torch.Tensor | float:
    """The same entries, stored column by column."""
    if not isinstance(value, torch.Tensor) or value.dim() < 2:
        return value
    return value.transpose(0, 1).contiguous().transpose(0, 1)
