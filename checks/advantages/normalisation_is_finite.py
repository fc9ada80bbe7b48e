"""Advantages of one sample, or all equal, survive normalisation.

Property.  For a batch of one sample, for constant advantages, for one valid entry under a mask and for groups of one,
           the effective advantage is finite.
Why.       The sample standard deviation of one element is NaN (torch divides by N - 1), and constant advantages have
           deviation zero. A remainder minibatch of one, or a task solved every time, then turns all parameters into
           NaN, for good.
           https://github.com/DLR-RM/stable-baselines3/blob/b018e4bc949503b990c3012c0e36c9384de770e6/stable_baselines3/ppo/ppo.py#L213
           guards the first in Python.
Applies.   Losses that normalise advantages. A guard written in Python is respected, since the target is really called
           with one row; a recording whose code read the size, or a number of the advantages, is not judged on others.
Tested.    Those four batches, as far as the target takes their roles.
Severity.  Serious although it needs a rare shape: one such minibatch destroys the run.
Fix.       Skip normalisation below two samples (or use the population deviation), and add 1e-8 to the deviation.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.quantities import normaliser

RULE = Rule(
    code="PPO202",
    name="normalisation-is-finite",
    family="advantages",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "advantages"),
    needs=("policy", "normalisation", "role:advantage"),
    must_flag=("sample_std_of_one", "no_epsilon", "rsqrt_of_zero"),
)
ONE = "one sample"


def check(subject: Subject) -> Violation | None:
    effective = _effective(subject)
    broken = [name for name, values in effective.items() if not bool(values.isfinite().all())]
    site = "spread" if broken[:1] == [ONE] and "spread" in subject.anatomy.sites else "normalisation"
    return worst(
        Violation(
            f"The normalised advantage is not finite for {' and '.join(broken)}.",
            evidence={name: "not finite" if name in broken else "finite" for name in effective},
            site=site,
            signature=" ".join(broken),
        ),
        unless=torch.tensor([name not in broken for name in effective]),
        batch=broken[0] if broken else ONE,
        got="nan or inf",
        want="finite",
    )


def _effective(subject: Subject) -> dict[str, torch.Tensor]:
    """Effective advantages of each awkward batch."""
    one, constant = (
        torch.full((1,), 0.7, dtype=torch.float64),
        torch.full((subject.capacity or 8,), 0.7, dtype=torch.float64),
    )
    if subject.kind == "trainer" or subject.capacity is not None:
        _expect_no_reader((*subject.anatomy.guards, *subject.anatomy.decisions))
    if subject.capacity is not None:
        return {ONE: normaliser(subject, one), "constant advantages": normaliser(subject, constant)}
    found = {ONE: subject.normalised(one), "constant advantages": subject.normalised(constant)}
    varied = torch.linspace(-1, 1, 8, dtype=torch.float64)
    if "mask" in subject.available:
        kept = torch.zeros(8, dtype=torch.float64)
        kept[2] = 1
        found["one valid entry"] = subject.normalised(varied, mask=kept)
    if "group" in subject.available:
        found["groups of one"] = subject.normalised(varied, group=torch.arange(8))
    return found


def _expect_no_reader(places: tuple[str, ...]) -> None:
    if places:
        raise NotApplicable(f"the code reads a number of the advantages at {places[0]} and may take another path")
