"""Normalised advantages are the advantages, shifted and scaled, and nothing else.

Property.  f(A) = (A - m) / s with one m and one s > 0 for the batch (or group): every sample lies on one rising line;
           where the loss divides by a spread, f(c A) = f(A) for c > 0, and f(A + c) = f(A) unless the mean is put back.
Why.       Dividing by the variance makes the step depend on the reward's unit twice over; a lost parenthesis leaves A
           as it is, minus a constant; scaling without centring keeps the baseline error that normalising should remove;
           statistics along the wrong axis credit positions and not samples. Andrychowicz et al. 2020, arXiv:2006.05990,
           choice C67.
Applies.   Losses that normalise advantages. Median and MAD, whitening that keeps the mean, centring alone (Dr. GRPO)
           and statistics of each group pass, each by the half that it claims.
Tested.    16 advantages of one group without outliers; times 3; plus 5; on tokens, all positions together.
           Tolerance 1 %, since an epsilon of up to 1e-2 beside a deviation near 1 is in use.
Severity.  Serious: the gradient has a size or a bias that depends on the unit of reward.
Fix.       (A - A.mean()) / (A.std() + 1e-8), over all valid entries of the batch.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO203",
    name="normalisation-is-affine",
    family="advantages",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "advantages"),
    needs=("normalisation", "role:advantage"),
    must_flag=("variance_for_std", "parenthesis_lost", "scale_only", "token_variance_for_std"),
)
TOLERANCE = 1e-2
SEQUENCES, TOKENS = 4, 4


def check(subject: Subject) -> Violation | None:
    advantage = torch.linspace(-1.0, 1.4, subject.capacity or 16, dtype=torch.float64)
    one_group = {"group": torch.zeros(len(advantage), dtype=torch.int64)} if "group" in subject.available else {}
    given = (advantage, 3 * advantage, advantage + 5)
    plain, scaled, shifted = (subject.normalised(rows, **one_group) for rows in given)
    if not bool(torch.cat([plain, scaled, shifted]).isfinite().all()):
        raise NotApplicable("the effective advantages are not finite")
    is_scaled = bool((scaled - 3 * plain).abs().max() > TOLERANCE)
    kept = 2 * advantage.mean() if _keeps_mean(plain, advantage) and _keeps_mean(scaled, 3 * advantage) else 0.0
    cases = {
        "is no rising line in the advantage": (plain, line(advantage, plain)),
        "changes with the scale of the advantages": (scaled, plain + kept if is_scaled else scaled),
        "changes with the mean of the advantages": (shifted, _expected(plain, shifted, advantage)),
    }
    for problem, (got, want) in cases.items():
        violation = worst(
            Violation(f"The normalised advantage {problem}.", site="normalisation", explains=("PPO205",)),
            unless=(got - want).abs() <= TOLERANCE * (want.abs().max() + 1e-12),
            advantage=advantage,
            got=got,
            want=want,
        )
        if violation is not None:
            return violation
    return _of_tokens(subject) if isinstance(subject, Subject) else None


def _of_tokens(subject: Subject) -> Violation | None:
    """Four sequences of four tokens, each with an advantage of its own: statistics along one axis bend the line."""
    tokens = subject.direct.in_tokens(TOKENS)
    shape = tokens.layout.shape("advantage", SEQUENCES)
    if subject.capacity is not None or shape != (SEQUENCES, TOKENS):
        return None
    advantage = torch.linspace(-1.0, 1.4, SEQUENCES * TOKENS, dtype=torch.float64)
    got = tokens.normalised(advantage.reshape(shape))
    if got.numel() != advantage.numel() or bool((got.reshape(shape) == got.reshape(shape)[:, :1]).all()):
        return None  # one number a sequence: an average over its tokens, and no normaliser of them
    want = line(advantage, got)
    return worst(
        Violation("The normalised advantages of tokens follow statistics along one axis.", site="normalisation"),
        unless=(got - want).abs() <= TOLERANCE * (want.abs().max() + 1e-12),
        advantage=advantage,
        got=got,
        want=want,
    )


def line(advantage: torch.Tensor, effective: torch.Tensor) -> torch.Tensor:
    """The rising line through first and last sample; falling ones are turned round, and flat ones raised, to fail."""
    slope = (effective[-1] - effective[0]) / (advantage[-1] - advantage[0])
    is_flat = bool(effective.max() - effective.min() <= 1e-9 * (1 + effective.abs().max()))
    return effective[0] + (1.0 if is_flat else slope.abs()) * (advantage - advantage[0])


def _expected(plain: torch.Tensor, shifted: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
    """Effective advantages after the shift: unchanged, or with the mean put back (whitening that keeps the mean)."""
    return plain + 5 if _keeps_mean(plain, advantage) and _keeps_mean(shifted, advantage + 5) else plain


def _keeps_mean(effective: torch.Tensor, advantage: torch.Tensor) -> bool:
    return bool((effective.mean() - advantage.mean()).abs() <= TOLERANCE)
