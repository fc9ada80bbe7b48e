"""Whether an edit is a cure and does no harm: the rules, what the loss claims, and what must stay as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Severity, Status
from ppo_audit.repair.behaviour import ALIKE, GUARDED, alike, behaviour, part_of
from ppo_audit.repair.keeping import ROLES, enters, is_kept, moves_with_the_critic
from ppo_audit.repair.trials import Case, Verdict, judged, said
from ppo_audit.rules import Page
from ppo_audit.subjects.judged import Judged
from ppo_audit.subjects.subject import Subject

MAY_VANISH = frozenset(("PPO108", "PPO109", "PPO113", "PPO307", "PPO402", "PPO505"))
"""Rules of something that a loss need not have: without it there is nothing left to judge."""
UNCOVERED = frozenset(("PPO101", "PPO109", "PPO208", "PPO415"))
"""Hazards of designs, which a graver fault may have hidden: that they can be judged again is no harm done."""
HIDDEN = UNCOVERED | {"PPO306", "PPO202"}
"""What a fault may hide: those, a value clip by the radius of the ratio, a normaliser of samples that are all alike."""
GUARDS = ("PPO104", "PPO102", "PPO103", "PPO106", "PPO206", "PPO301", "PPO302", "PPO401", "PPO504", "PPO507")
"""Rules that an edit breaks most often, asked first."""


def _claims(subject: Judged) -> frozenset[str]:
    """The terms of a loss and what its profile claims."""
    if not isinstance(subject, Subject):
        return frozenset()
    try:
        return frozenset(subject.anatomy.families) | subject.profile.claims
    except NotApplicable:
        return frozenset()


RARE = frozenset(
    "PPO003 PPO004 PPO007 PPO202 PPO415 PPO503 PPO509 PPO511 PPO701 PPO702 PPO703 PPO704 PPO803 PPO806".split()
)
"""Rules of what goes wrong on rare inputs or beside the loss: on ordinary batches their cures change nothing."""
SEVERAL_CURES = frozenset(("PPO007", "PPO202", "PPO803", "PPO806"))
"""Of these rules those whose cures of a loss may compute something else, such as another deviation: a choice."""
ROUNDED = {"PPO701": 0.05, "PPO803": 1e-3}
"""Relative: how far a cure of too few digits, or what is added to the deviation of a group, may move ordinary rows."""
TERMS = {"value": "value", "entropy": "entropy", "kl": "kl"} | dict.fromkeys(
    ("ratio", "clip", "advantages", "groups"), "policy"
)
"""The term of the loss that the rules of a family judge; the other families judge the loss as a whole."""

DEAD = frozenset(("PPO104", "PPO105"))
"""Rules that flag a ratio which is none: of one log-prob alone, the loss looks like one of cloning."""
CLONED = frozenset(("log_prob", "cloning"))
LOSES = {"PPO104": CLONED, "PPO105": CLONED, "PPO113": frozenset(("hard_clip",))}
"""What the fault alone claims: a term of cloning, or a clip that holds back gradients of a weight which has none."""


def is_cured(case: Case, explained: Sequence[str], variant: str, trial: Judged) -> bool:
    """Whether the rule that was violated is content, and the loss still does what it claimed to do.

    It is the first of those that the finding explains.
    """
    page = case.page(explained[0])
    try:
        if judged(trial, page).status is Status.FLAGGED:
            return False
    except NotApplicable:
        if page.rule.code not in MAY_VANISH or alike(behaviour(case.subjects[variant]), behaviour(trial), ALIKE):
            return False  # what computes the same as before has only become harder to read
    except Exception:
        return False
    before = case.subjects[variant]
    moves = ROUNDED.get(page.rule.code, GUARDED)
    may_move = page.rule.code not in RARE or (page.rule.code in SEVERAL_CURES and isinstance(before, Subject))
    if not may_move and not alike(behaviour(before), behaviour(trial), moves):
        return False
    facts = _profile(trial) if isinstance(trial, Subject) else {}
    if page.rule.code == "PPO506" and facts.get("policy reduction") != "mean":
        return False  # a sum adds up over any parts, whatever was meant
    if page.rule.code == "PPO008" and moves_with_the_critic(before):
        return False
    if not is_kept(before, trial):
        return False
    claimed = _claims(before) - LOSES.get(page.rule.code, frozenset())
    return claimed <= _claims(trial) and not _changed_elsewhere(before, trial, [case.page(code) for code in explained])


def _changed_elsewhere(before: Judged, after: Judged, pages: Sequence[Page]) -> bool:
    """Whether the profile changed in a term that none of the rules judges."""
    if pages[0].rule.family not in TERMS or not isinstance(before, Subject) or not isinstance(after, Subject):
        return False
    was, now = _profile(before), _profile(after)
    own = tuple(TERMS[page.rule.family] for page in pages if page.rule.family in TERMS)
    own += tuple(CLONED) if pages[0].rule.code in DEAD else ()
    others = [role for term, role in ROLES.items() if term not in own and role in before.available]
    others = [role for role in others if not enters(before, role, own) or enters(after, role, own)]
    return any(was[name] != now.get(name) for name in was if not name.startswith(own)) or any(
        not alike([part_of(before, role)], [part_of(after, role)]) for role in others
    )


def _profile(subject: Subject) -> dict[str, object]:
    """What was measured, by term: the coefficient of each, and of the policy the clip and the normaliser."""
    try:
        profile = subject.profile
    except NotApplicable:
        return {}
    facts: dict[str, object] = {name: f"{value:.5g}" for name, value in (profile.coefficients or {}).items()}
    facts |= {f"policy {name}": getattr(profile, name) for name in ("surrogate", "normalisation")}
    facts |= {f"policy {name}": _digits(getattr(profile, name)) for name in ("clip", "dual_clip", "clamp")}
    return facts | {"policy reduction": profile.reduction}


def _digits(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(_digits(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else value


@dataclass(frozen=True)
class Harm:
    """The first rule that an edit breaks, if any, and hazards that were there before and can be judged again."""

    broken: str | None
    uncovered: tuple[str, ...] = ()


def harm(
    case: Case, variant: str, trial: Judged, explained: Sequence[str], accepted: frozenset[str] = frozenset()
) -> Harm:
    """Which rule flags the edited subject and did not before, or judges the same term as the finding's.

    What a rule says of something that could not be judged before counts where it is grave. Hazards that are `accepted`
    as the price of the edit count as uncovered.
    """
    own, uncovered = case.page(explained[0]), list[str]()
    is_dead = _kills_the_ratio(case.subjects[variant], own)
    nearness = lambda page: (page.rule.family != own.rule.family, page.rule.code not in GUARDS, page.rule.code)
    for page in sorted(case.pages, key=nearness):
        code = page.rule.code
        before = case.said[variant].get(code, Status.SKIPPED)
        if code == own.rule.code or (before is Status.FLAGGED and not _is_related(page, own)):
            continue
        after = said(trial, page)
        was_hidden = _was_hidden(code, before, after) or (code in HIDDEN and is_dead) or code in accepted
        if after.status is Status.FLAGGED and was_hidden:
            uncovered.append(code)
        elif _is_broken(before, after):
            return Harm(code)
    return Harm(None, tuple(uncovered))


def _is_broken(before: Status, after: Verdict) -> bool:
    """Whether a rule is worse off, and gravely where it could not be judged before."""
    if after.status is Status.ERRORED:
        return before is not Status.ERRORED
    return after.status is Status.FLAGGED and (before is Status.PASSED or after.severity <= Severity.SERIOUS)


def _was_hidden(code: str, before: Status, after: Verdict) -> bool:
    """Whether a hazard was there all along, behind the fault."""
    return code in HIDDEN and (before is Status.SKIPPED or after.severity is Severity.POTENTIAL)


def _kills_the_ratio(subject: Judged, page: Page) -> bool:
    """Whether a fault leaves a ratio that does not move with its sample, and so hides how far an unbounded one may go.

    Where the log-ratio is bounded, a fix may be what takes the bound away.
    """
    if page.rule.family != "shape" and page.rule.code not in DEAD | {"PPO006"}:
        return False
    try:
        return not isinstance(subject, Subject) or subject.profile.clamp is None
    except NotApplicable:
        return False


def _is_related(page: Page, own: Page) -> bool:
    """Whether two rules judge one term of the loss, so that a single edit should content both."""
    if page.rule.code in UNCOVERED | RARE or page.rule.severity > Severity.SERIOUS:
        return False
    mine, its = TERMS.get(own.rule.family), TERMS.get(page.rule.family)
    return mine is None or its is None or mine == its


def price(case: Case, variant: str, trial: Judged, rules: Sequence[str]) -> str:
    """What a cure costs: what these rules say of the loss with it and did not say before, and how its profile moved."""
    fresh = [page for page in case.pages if page.rule.code in rules and _passed(case, variant, page.rule.code)]
    flagged = [(page, verdict) for page in fresh if (verdict := said(trial, page)).status is Status.FLAGGED]
    told = [f"{page.rule.code} ({verdict.severity.label}): {verdict.message.rstrip('.')}" for page, verdict in flagged]
    moved = changes(case.subjects[variant], trial)
    return ". ".join(part for part in (f"It costs {'; '.join(told)}" if told else "", moved.rstrip(".")) if part)


def _passed(case: Case, variant: str, code: str) -> bool:
    return case.said[variant].get(code, Status.SKIPPED) is not Status.FLAGGED


def changes(before: Judged, after: Judged) -> str:
    """What a cure moves in the profile, in words."""
    if not isinstance(before, Subject) or not isinstance(after, Subject):
        return ""
    was, now = _profile(before), _profile(after)
    moved = [f"{name} from {was.get(name)} to {now.get(name)}" for name in now if was.get(name) != now.get(name)]
    return f"It moves {', '.join(moved)}." if moved else ""
