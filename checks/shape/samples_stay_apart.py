"""One sample's numbers never enter another sample's gradient.

Property.  For samples i != j: d loss / d log_prob_i does not depend on advantage, log-prob or old log-prob of j, and d
           loss / d value_i not on value, old value or target of j.
Why.       Each sample is its own evidence, Schulman et al. 2017, arXiv:1707.06347, eq. 7. A mean taken too early, or a
           broadcast, gives every action the credit of all: the policy learns that everything is average.
Applies.   Losses with a policy or a value term. The advantage is the effective one: a normaliser, a group's or a
           tail's statistic couples samples by design, as a sequence-level ratio couples the tokens of one sequence,
           and as a rank or an entropy of all samples does that decides which of them count.
Tested.    Eight samples within the clip; one number of one sample is moved, and the gradients of the other seven
           compared.
Severity.  Critical: credit is meaningless.
Fix.       Multiply ratio and advantage sample by sample and take the mean last; give both operands one shape.
"""

from collections.abc import Iterator

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO507",
    name="samples-stay-apart",
    family="shape",
    severity=Severity.CRITICAL,
    must_flag=("mean_advantage_in_surrogate", "mean_ratio_times_advantage", "mean_against_mean_value"),
)
ROWS, MOVED = 8, 4
OTHERS = [row for row in range(ROWS) if row != MOVED]
MOVES = {"value": 0.3, "old_value": 0.3, "return_": 0.5, "log_prob": 0.1, "old_log_prob": -0.1}

EXPLAINS = ("PPO102", "PPO103", "PPO104", "PPO106", "PPO110", "PPO204", "PPO206", "PPO301", "PPO506", "PPO509")


def check(subject: Subject) -> Violation | None:
    judged = False
    for term, wrt, moved, given in cases(subject):
        judged = True
        other = given | {moved: given[moved] + MOVES.get(moved, 1.0) * torch.eye(ROWS, dtype=torch.float64)[MOVED]}
        gradients = (subject.term(term).gradient(wrt, **roles) for roles in (given, other))
        before, after = (gradient.reshape(ROWS, -1).sum(-1)[OTHERS] for gradient in gradients)
        apart = (after - before).abs() <= 1e3 * subject.tolerance * before.abs().clamp_min(1e-3)
        if not bool(apart.all()):
            message = f"Moving the {moved} of one sample changes the gradient for the {wrt} of another."
            return worst(
                Violation(message, site=term, place=subject.coupling(given, other), explains=EXPLAINS),
                unless=apart,
                sample=torch.tensor(OTHERS),
                got=after,
                want=before,
            )
    if not judged:
        raise NotApplicable("the loss has neither a policy nor a value term whose samples could be told apart")
    return None


def cases(subject: Subject) -> Iterator[tuple[str, str, str, dict[str, torch.Tensor]]]:
    """Term, the input whose gradient is taken, the input that is moved, and ordinary rows of all of them, each (8,)."""
    credit = subject.anatomy.advantage_role
    known = subject.available | {"effective_advantage"}
    inputs = {"policy": ("log_prob", "old_log_prob", credit), "value": ("value", "old_value", "return_")}
    for term, names in inputs.items():
        if (
            term not in subject.anatomy.families
            or names[0] not in subject.available
            or f"{term}_spread" in subject.anatomy.sites
            or (term == "policy" and subject.anatomy.is_filtered)
        ):
            continue
        given = {name: rows(name) for name in names if name in known}
        # Credit that is made of rewards may hold the divergence of each sample, and the mean of all of them.
        moved = [name for name in given if not ("reward" in subject.available and name.endswith("log_prob"))]
        yield from ((term, names[0], name, given) for name in moved)


def rows(role: str) -> torch.Tensor:
    """Plain numbers of order one, (8,); all ratios lie within 1 % of 1."""
    ramp = torch.linspace(-1.4, 1.3, ROWS, dtype=torch.float64)
    return {"log_prob": ramp * 0.01 - 1.5, "old_log_prob": ramp * 0 - 1.5, "return_": ramp.flip(0)}.get(role, ramp)
