"""Log-probs of unlikely actions are not cut off by an epsilon.

Property.  The log-prob that the target computes from logits is log_softmax of them, down to probabilities of 1e-13.
Why.       log(p + 1e-8) never falls below -18.4 and loses its gradient there: actions that became unlikely cannot
           become likelier again at the rate that the ratio asks for, and the ratio of two of them is 1.
           https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html; the ratio of Schulman et
           al. 2017, arXiv:1707.06347, eq. 6, knows no floor.
Applies.   Targets that take logits and compute log-probs from them, functions that do nothing else among them.
Tested.    Four samples whose action has a logit of 0 to -30 below the others.
Severity.  Potential: a policy that stays stochastic never gets there.
Fix.       torch.log_softmax(logits, dim=-1), or Categorical(logits=logits)
"""

import torch

from ppo_audit import LogProb, NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.log_probs import log_of_sum, made_log_prob

RULE = Rule(
    code="PPO703",
    name="log-of-probability-plus-epsilon",
    family="precision",
    severity=Severity.POTENTIAL,
    kinds=("loss", "trainer", "log_prob"),
    needs=("role:logits", "role:action"),
    must_flag=("log_of_softmax_plus_epsilon",),
)
CHOICES = 4
DEPTHS = torch.tensor([0.0, -15.0, -20.0, -30.0], dtype=torch.float64)


def check(subject: Subject | LogProb) -> Violation | None:
    if isinstance(subject, LogProb):
        return of_function(subject)
    if subject.capacity is not None or "log_prob" not in subject.cuts:
        raise NotApplicable("the target computes no log-prob of its own")
    rows = len(DEPTHS)
    logits = torch.zeros(subject.layout.shape("logits", rows), dtype=torch.float64)
    logits[..., 0] = DEPTHS.reshape(rows, *([1] * (logits.dim() - 2)))
    action = torch.zeros(subject.layout.shape("action", rows), dtype=torch.int64)
    got = made_log_prob(subject, logits=logits, action=action)
    want = logits.log_softmax(-1)[..., 0].reshape(rows, -1)[:, 0]
    if len(got) != rows:
        raise NotApplicable("the target's log-prob has no entry for each sample")
    return worst(
        Violation("Log-probs of unlikely actions are cut off.", site="log_ratio", place=log_of_sum(subject)),
        unless=(got - want).abs() <= 1e-3 * (1 + want.abs()),
        logit=DEPTHS,
        got=got,
        want=want,
    )


def of_function(judged: LogProb) -> Violation | None:
    """The log-prob of ever less likely actions against that of one as likely as the others."""
    logits = torch.zeros(len(DEPTHS), CHOICES, dtype=torch.float64)
    logits[:, 0] = DEPTHS
    got = judged.log_probs({"logits": logits}, torch.zeros(len(DEPTHS), dtype=torch.int64))
    want = logits.log_softmax(-1)[:, 0]
    return worst(
        Violation("Log-probs of unlikely actions are cut off."),
        unless=((got - got[0]) - (want - want[0])).abs() <= 1e-3 * (1 + want.abs()),
        logit=DEPTHS,
        got=got,
        want=want,
    )
