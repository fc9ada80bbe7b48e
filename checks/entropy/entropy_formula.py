"""The entropy is that of the distribution.

Property.  From logits: H = -sum_a p(a) log p(a), natural logarithm, between 0 and log K, the same for shifted logits,
           0 where one action is certain. From a Gaussian: H = sum_d (log sigma_d + log(2 pi e) / 2). In a loss, up to
           its coefficient.
Why.       -p log p of the action that was taken, a sum without p, or a mean over actions is no entropy; its gradient
           pushes elsewhere, and the coefficient means something else than in the literature. Schulman et al. 2017,
           arXiv:1707.06347, eq. 9; Williams and Peng 1991, via Mnih et al. 2016, arXiv:1602.01783, eq. 4.1.
Applies.   Entropy helpers, by value; losses that compute the entropy, by the direction of its gradient. -log p of the
           action taken is an estimate whose mean is the entropy, and passes; p log p of it estimates nothing.
Tested.    16 rows of random logits of four actions, the same shifted by 3, near certainty; Gaussians of deviations
           0.5 to 2. In losses also eight actions: a mean over actions counts half as much with twice as many.
Severity.  Serious: exploration is rewarded for something else.
Fix.       torch.distributions.Categorical(logits=logits).entropy(), Normal(mean, std).entropy().sum(-1).
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.entropies import Compared, of_taken_action, over_actions, pulls_to_uniform
from ppo_audit.probes.quantities import expect_gaussian, term_gradient
from ppo_audit.reference import categorical_entropy, gaussian_entropy

RULE = Rule(
    code="PPO403",
    name="entropy-formula",
    family="entropy",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "entropy"),
    must_flag=("entropy_minus_lost", "entropy_in_bits", "entropy_without_p", "entropy_constant_lost"),
)


def check(subject: Subject) -> Violation | None:
    if subject.kind == "entropy":
        return _judged(*_values(subject))
    if "entropy" in subject.anatomy.families:
        return _judged(*_gradients(subject), {})
    taken = of_taken_action(subject)
    if taken is None:
        raise NotApplicable("the loss has no entropy term")
    return _judged(*taken, {}, "log_prob")


def _judged(
    got: torch.Tensor, want: torch.Tensor, given: dict[str, torch.Tensor], site: str = "entropy"
) -> Violation | None:
    return worst(
        Violation("The entropy is not that of the distribution.", site=site, explains=("PPO402",)),
        unless=(got - want).abs() <= 1e-4 * (1 + want.abs()),
        **given,
        got=got,
        want=want,
    )


def _values(subject: Subject) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """The entropy of each row of a helper, (M,), and what it should be."""
    if "logits" in subject.available:
        given = {"logits": torch.cat([rows := _logits(), rows + 3.0, 6.0 * rows])}
        want = categorical_entropy(given["logits"])
    else:
        log_std = torch.linspace(-0.7, 0.7, 16, dtype=torch.float64).unsqueeze(-1).expand(-1, 3)
        name = "log_std" if "log_std" in subject.available else "std"
        given, want = {name: log_std.exp() if name == "std" else log_std}, gaussian_entropy(log_std)
        expect_gaussian(subject)
    return subject.term("entropy").row_values(**given), want, given


def _gradients(subject: Subject) -> Compared:
    """The gradient of a loss's entropy, all entries, up to the one factor that its coefficient and reduction make."""
    target = subject.direct.subject
    name = next((role for role in ("logits", "log_std", "std") if role in target.available), None)
    if name is None or "entropy" in target.available or subject.capacity is not None:
        raise NotApplicable("the loss is given its entropy")
    if name == "logits" and (averaged := over_actions(target)) is not None:
        return averaged
    rows = _logits() if name == "logits" else 0.3 * _logits()[:, :3]
    leaf = (rows.exp() if name == "std" else rows).clone().requires_grad_()
    entropy = categorical_entropy(leaf) if name == "logits" else gaussian_entropy(leaf.log() if name == "std" else leaf)
    (want,) = torch.autograd.grad(entropy.sum(), [leaf])
    run = target.run(target.rows(len(rows), **{name: leaf.detach()}))
    got = term_gradient(target, "entropy", name, run).reshape(want.shape)
    if name == "logits" and pulls_to_uniform(got, rows):
        raise NotApplicable(
            "the term is the cross entropy of the uniform policy, which is no entropy and spreads as well"
        )
    factor = (got * want).sum() / (got**2).sum().clamp_min(1e-12)
    return (factor * got).flatten(), want.flatten()


def _logits() -> torch.Tensor:
    return torch.randn(16, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
