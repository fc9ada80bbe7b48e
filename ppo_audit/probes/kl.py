"""KL terms on chosen pairs of policies: what rules about them compare with the exact divergence."""

from __future__ import annotations

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.probes.quantities import term_roles
from ppo_audit.reference import categorical_kl, gaussian_kl
from ppo_audit.subjects.subject import Subject

Cases = dict[str, torch.Tensor]


def kl_cases(subject: Subject) -> Cases:
    """Pairs of policies in the roles that the KL term reads, equal pairs among them: the new one, then the other."""
    roles = term_roles(subject, "kl")
    if "kl" in roles:
        raise NotApplicable("the recording holds the KL as a whole, which was found equal to the exact one")
    other = "ref" if any(role.startswith("ref_") for role in roles) else "old"
    if "mean" in roles:
        return _gaussians(subject, other)
    if "logits" in roles:
        return _logits(other)
    if "log_prob" in roles and f"{other}_log_prob" in roles:
        points = torch.tensor([-4.0, -2.0, -1.0, -0.5], dtype=torch.float64)
        new, old = torch.cartesian_prod(points, points).T
        return {"log_prob": new, f"{other}_log_prob": old}
    raise NotApplicable(f"the KL term reads {', '.join(sorted(roles))}, no pair of policies")


def penalties(subject: Subject) -> Cases:
    """Pairs of policies, or, where the KL is a role itself, some values of it."""
    if "kl" in subject.available:
        return {"kl": torch.tensor([0.0, 0.01, 0.1, 1.0], dtype=torch.float64)}
    return kl_cases(subject)


def kl_values(subject: Subject, cases: Cases) -> torch.Tensor:
    """The KL term of each pair alone, (M,), without its coefficient where that is an argument."""
    coefficient = subject.settings.get("kl_coef", 1.0)
    settings = {"kl_coef": 1.0} if "kl_coef" in subject.scalars and subject.capacity is None else {}
    scale = 1.0 if settings or not coefficient else coefficient
    # A weight by the ratio to the old policy is 1 where the old policy is the new one.
    fixed = {"old_log_prob": cases["log_prob"]} if {"log_prob", "ref_log_prob"} <= cases.keys() else {}
    known = {role: rows for role, rows in fixed.items() if role in subject.available}
    values = subject.term("kl").row_values(**cases, **known, **settings)
    return values / (scale * _weight_of_a_row(subject))


def kl_exact(cases: Cases) -> tuple[torch.Tensor, torch.Tensor]:
    """KL(other || new) and KL(new || other) of pairs of distributions, both (M,)."""
    tensors = list(cases.values())
    if "logits" in cases:
        new, other = tensors
        return categorical_kl(other, new), categorical_kl(new, other)
    mean, other_mean, spread, other_spread = tensors
    if "std" in cases:
        spread, other_spread = spread.log(), other_spread.log()
    return gaussian_kl(other_mean, other_spread, mean, spread), gaussian_kl(mean, spread, other_mean, other_spread)


def _weight_of_a_row(subject: Subject) -> float:
    """How much one row counts, in units of a mean: a constant denominator scales all terms alike."""
    return subject.scale or 1.0


def _gaussians(subject: Subject, other: str) -> Cases:
    """Gaussian pairs whose dimensions move alike: means up to 1 apart, deviations from a half to double."""
    means = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    spreads = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64).log()
    mean, spread, other_spread = torch.cartesian_prod(means, spreads, spreads).T
    name = "std" if "std" in subject.available else "log_std"
    if name == "std":
        spread, other_spread = spread.exp(), other_spread.exp()
    columns = (mean, torch.zeros_like(mean), spread, other_spread)
    names = ("mean", f"{other}_mean", name, f"{other}_{name}")
    dimensions = subject.layout.shape("mean", 1)[-1]
    return {role: row.unsqueeze(-1).expand(-1, dimensions) for role, row in zip(names, columns, strict=True)}


def _logits(other: str) -> Cases:
    generator = torch.Generator().manual_seed(0)
    new, old = (torch.randn(16, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    return {"logits": torch.cat([new, old[:1]]), f"{other}_logits": torch.cat([old, old[:1]])}
