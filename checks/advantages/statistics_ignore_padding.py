"""Mean and deviation of advantages are those of valid entries.

Property.  With a mask: the normalised advantage of a valid entry does not depend on the advantages at masked ones, nor
           on how many of these there are.
Why.       Masked advantages are whatever the buffer held, most often zeros: they pull the mean to zero and shrink the
           deviation, by an amount that follows the response lengths. Whitening is meant for the tokens of responses:
           Zheng et al. 2023, arXiv:2307.04964 (advantage normalisation).
Applies.   Losses that take a mask over tokens and normalise advantages inside; normalisers alone that take one.
Tested.    Eight sequences of one to five tokens; other advantages at masked places; the effective advantage at valid
           ones.
Severity.  Serious: the advantage of a token depends on the length of other responses.
Fix.       mean = (A * mask).sum() / mask.sum(); variance = ((A - mean) ** 2 * mask).sum() / mask.sum()
"""

import torch

from ppo_audit import Credit, NotApplicable, Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO205",
    name="statistics-ignore-padding",
    family="advantages",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "advantages"),
    needs=("normalisation", "role:mask", "role:advantage"),
    must_flag=("whitening_mean_over_padding", "whitening_variance_over_padding"),
)


def check(subject: Subject | Credit) -> Violation | None:
    return of_helper(subject) if isinstance(subject, Credit) else of_loss(subject)


def of_loss(subject: Subject) -> Violation | None:
    """The effective advantage of a loss, with other advantages at masked places."""
    direct = subject.direct
    batch, masked = direct.ragged_batch()
    advantage = batch["advantage"]
    if not isinstance(advantage, torch.Tensor) or advantage.shape != masked.shape:
        raise NotApplicable("the advantages have no entry for each token")
    littered = {**batch, "advantage": torch.where(masked, advantage + 20.0, advantage)}
    runs = [direct.observe(each).run for each in (batch, littered)]
    key = subject.anatomy.cuts["effective_advantage"]
    made = [run.trace.tensors[op.outputs[0]].detach() for run in runs for op in run.trace.ops if op.key == key]
    if len(made) != 2 or made[0].shape != masked.shape:
        raise NotApplicable("the effective advantage has no entry for each token")
    before, after = (values[~masked].double() for values in made)
    faithful = lambda one, two: _same_where(one, two, ~masked)
    return worst(
        Violation(
            "The statistics of the advantages include masked entries.",
            site="normalisation",
            explains=("PPO501", "PPO502"),
            place=direct.parting(runs[0], runs[1], faithful),
        ),
        unless=(after - before).abs() <= 1e3 * subject.tolerance * before.abs().max(),
        advantage=advantage[~masked],
        got=after,
        want=before,
    )


def of_helper(judged: Credit) -> Violation | None:
    """The same of a normaliser alone: every third of sixteen advantages is masked."""
    keep = (torch.arange(16) % 3 != 1).double()
    advantage = torch.linspace(-1.0, 1.4, 16, dtype=torch.float64)
    before, after = (judged.normalised(each, mask=keep) for each in (advantage, advantage + 20.0 * (1 - keep)))
    before, after = before[keep == 1], after[keep == 1]
    return worst(
        Violation("The statistics of the advantages include masked entries.", explains=("PPO203",)),
        unless=(after - before).abs() <= 1e-6 * before.abs().max(),
        advantage=advantage[keep == 1],
        got=after,
        want=before,
    )


def _same_where(one: torch.Tensor, two: torch.Tensor, valid: torch.Tensor) -> bool:
    """Whether two recorded values agree at valid entries, or as a whole where they have no entries."""
    if one.shape == valid.shape:
        one, two = one[valid], two[valid]
    return one.shape == two.shape and torch.allclose(one.double(), two.double(), rtol=1e-9)
