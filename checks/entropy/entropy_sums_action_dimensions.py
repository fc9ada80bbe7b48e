"""The entropy of a policy with several action dimensions is their sum.

Property.  H = sum_d H_d for independent dimensions: d loss / d H_d of each dimension is the same with three dimensions
           as with one, so that the whole entropy gradient is three times as large.
Why.       A mean over the dimensions is 1/D of the entropy. The bonus is then D times too weak beside log-probs that
           are summed, and changes with the action space; the usual cause is an entropy of shape (N, D) that reaches
           `.mean()` unsummed. Schulman et al. 2017, arXiv:1707.06347, eq. 9; detail 25 of
           https://iclr-blog-track.github.io/2022/03/25/ppo-implementation-details/
Applies.   Losses that take entropies by dimension, or compute the entropy of a Gaussian; an entropy given as (N,) is
           whole.
Tested.    The entropy gradient of 8 samples with three action dimensions and with one.
Severity.  Serious: exploration is rewarded D times less than the coefficient says.
Fix.       Sum the entropy over the action dimensions, then take the mean over samples.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.quantities import expect_gaussian, term_gradient, with_action_dimensions

RULE = Rule(
    code="PPO402",
    name="entropy-sums-action-dimensions",
    family="entropy",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "entropy"),
    needs=("entropy",),
    must_flag=("entropy_mean_over_dims", "entropy_never_summed", "entropy_mean_over_heads"),
)
DIMENSIONS = 3


def check(subject: Subject) -> Violation | None:
    if made_of(subject) == "entropy" and subject.layout.tails.get("entropy", ()) in ((), (1,)):
        raise NotApplicable("the entropy is given as one number a sample")
    expect_gaussian(subject)
    alone = weight(with_action_dimensions(subject, 1))
    together = weight(with_action_dimensions(subject, DIMENSIONS))
    want = DIMENSIONS * alone
    return worst(
        Violation(
            f"The entropy is not summed over action dimensions: with {DIMENSIONS} of them its gradient is that of "
            f"{float((together / alone).median()):.2g}.",
            site="entropy_source" if "entropy_source" in subject.anatomy.sites else "entropy",
        ),
        unless=(together - want).abs() <= 1e4 * subject.tolerance * want.abs(),
        sample=torch.arange(len(want)),
        got=together,
        want=want,
    )


def made_of(subject: Subject) -> str:
    """The role that the entropy is made of; itself where it is given, whatever spreads are given beside it."""
    is_given = "entropy" in subject.available and "entropy" not in subject.cuts
    spreads = () if is_given else (role for role in ("log_std", "std") if role in subject.available)
    return next(iter(spreads), "entropy")


def weight(subject: Subject) -> torch.Tensor:
    """d loss / d entropy of each sample, summed over dimensions: by log deviations, each of which adds one to H."""
    role = made_of(subject)
    if subject.capacity is not None:
        raise NotApplicable("the number of action dimensions is fixed by the recording")
    batch = subject.rows(8)
    if role == "std":
        batch["std"] = torch.ones_like(batch["std"])
    computed = {"entropy"} if role != "entropy" else set()
    run = subject.run({name: values for name, values in batch.items() if name not in computed})
    gradient: torch.Tensor = term_gradient(subject, "entropy", role, run)
    return gradient.reshape(len(gradient), -1).sum(-1)
