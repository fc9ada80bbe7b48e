"""The audit of targets: from spec or object to a report. Every fault of a target becomes part of the report."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ppo_audit.curves import curves
from ppo_audit.declared import compare
from ppo_audit.details import details
from ppo_audit.engine import Judgement, Told, findings, judge, merge, statuses
from ppo_audit.errors import NotApplicable, UsageError
from ppo_audit.findings import Curve, Finding, Outcome, Remark, Report, Severity, Status, TargetReport
from ppo_audit.helpers.controller import controller_helper
from ppo_audit.helpers.credit import credit_helper, credit_parameters
from ppo_audit.helpers.log_prob import log_prob_helper
from ppo_audit.helpers.metric import clip_fraction_helper
from ppo_audit.helpers.reduction import reduction_helper
from ppo_audit.helpers.returns import returns_helper
from ppo_audit.isolation.state import restored, use_one_core
from ppo_audit.journal import CLOSING, OPENING, Journal, Opened, Silent
from ppo_audit.locate.source import display
from ppo_audit.profile_card import card
from ppo_audit.recording.session import Session
from ppo_audit.remarks import remarks
from ppo_audit.repair.diagnosis import with_diagnosis
from ppo_audit.rules import Page, catalogue
from ppo_audit.run_report import report_of
from ppo_audit.settings import Settings, command_for
from ppo_audit.subjects.called import called_variants
from ppo_audit.subjects.judged import Helper, Judged
from ppo_audit.subjects.quotients import quotient_subject
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.choices import Choice, choices_of, name_of
from ppo_audit.targets.helper_names import is_rollout_function
from ppo_audit.targets.pieces import given_probabilities, given_ratio, of_log_probs
from ppo_audit.targets.resolve import as_function, is_script, resolve, source_of
from ppo_audit.thresholds import LIMITS, TOLERANCES

Variants = Sequence[tuple[str, Judged]]
Source = tuple[str | None, int | None]
Measured = TypeVar("Measured")
UNHEARD = Silent()
LIMITS_FOR_RUNS = 2
"""Time limits of a rule that running a script with edits may take for one finding."""


def audit(target: Any, settings: Settings | None = None, **values: Any) -> Report:
    """Audit a callable, a loss module or a spec; keyword arguments set parameters of the target by name."""
    chosen = settings or Settings()
    if values:
        chosen = dataclasses.replace(chosen, values=(*chosen.values, *values.items()))
    if isinstance(target, str):
        return audit_targets([target], chosen)
    name = (
        "recording"
        if isinstance(target, Session)
        else f"{getattr(target, '__module__', '?')}:{getattr(target, '__qualname__', type(target).__name__)}"
    )
    return report_of([_guarded(name, lambda: audit_object(target, name, chosen))], chosen, name)


def assert_conforms(target: Any, settings: Settings | None = None, **values: Any) -> None:
    """Raise AssertionError with the findings at or above `fail_on`, or where nothing was judged."""
    report = audit(target, settings, **values)
    if report.exit_code:
        lines = [f"{f.severity.label} {f.rule} {f.name}: {f.message}" for f in report.findings]
        lines += [entry.error for entry in report.targets if entry.error]
        raise AssertionError("\n".join(lines) or f"nothing was judged (exit code {report.exit_code})")


def audit_targets(specs: Sequence[str], settings: Settings) -> Report:
    """Audit every spec; one that cannot be judged says why in its own entry."""
    entries = [audit_entry(spec, settings, UNHEARD) for spec in specs]
    return report_of(entries, settings, specs[0] if specs else "")


def audit_entry(spec: str, settings: Settings, journal: Journal) -> TargetReport:
    """The entry of one spec, told to the journal as it goes."""
    return _guarded(spec, functools.partial(audit_spec, spec, settings, journal))


def profile_of(spec: str, settings: Settings) -> TargetReport:
    """What the target was measured to compute, without judging it; raises UsageError where it cannot be measured."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ((_, subject), *_), _ = opened(spec, settings.of(spec))
        facts = {**card(subject), **details(subject)} if isinstance(subject, Subject) else {}
    return TargetReport(spec, subject.kind, roles=dict(subject.roles), profile=facts)


def audit_spec(spec: str, settings: Settings, journal: Journal = UNHEARD) -> TargetReport:
    """Audit what a spec names: a script or trainer by recording it, anything else by calling it."""
    own = settings.of(spec)
    journal.enter(OPENING)
    started = time.perf_counter()
    variants, source = opened(spec, own)
    runs = _runs(own, time.perf_counter() - started) if is_script(spec) else 0
    opens = _reopens(spec, own) if runs or source[0] is not None else None
    tried = dataclasses.replace(own, trials=runs) if runs else own
    return _entry(spec, variants, tried, source, journal, opens)


def _runs(settings: Settings, seconds: float) -> int:
    """How often a script may be run again for one finding: as was asked for, and as fits into the limit of a target."""
    return min(settings.reruns, int(LIMITS_FOR_RUNS * settings.time_limit / seconds))


def audit_object(target: Any, spec: str, settings: Settings) -> TargetReport:
    """Audit an object that is at hand."""
    variants, source = _variants(target, spec, settings)
    return _entry(spec, variants, settings, source, UNHEARD, None)


def opened(spec: str, settings: Settings) -> tuple[Variants, Source]:
    """The subjects that a spec names, and where its source is."""
    from ppo_audit.recipes import RECIPES

    if spec.endswith(".ppoaudit"):
        from ppo_audit.trainer import stored_variants

        return stored_variants(spec, settings), (None, None)
    if is_script(spec) or spec in RECIPES:
        from ppo_audit.trainer import trainer_variants

        return trainer_variants(spec, settings), (None, None)
    return _variants(resolve(spec), spec, settings)


def _variants(target: Any, spec: str, settings: Settings) -> tuple[Variants, Source]:
    """An object as subjects: a controller, a recorded run, or a function as it is called."""
    controller = controller_helper(spec, target, settings) if settings.inputs is None else None
    if controller is not None:
        return [("default", controller)], source_of(controller.function)
    if isinstance(target, Session):
        from ppo_audit.trainer import recorded_variants

        return recorded_variants(target, spec, settings), (None, None)
    function = as_function(target, spec, dict(settings.values))
    source = source_of(function)
    if settings.inputs is not None:
        from ppo_audit.trainer import lift_call

        return [("default", lift_call(spec, function, resolve(settings.inputs), settings))], source
    choices = choices_of(function, dict(settings.values))
    return (_of_each(choices, spec, function, settings) if choices else _of(spec, function, settings)), source


def _of_each(choices: Sequence[Choice], spec: str, function: Callable[..., Any], settings: Settings) -> Variants:
    """A function for each of the values that its parameters offer; raises UsageError where it takes none of them."""
    opened: list[tuple[str, Judged]] = []
    refused: list[UsageError] = []
    for choice in choices:
        chosen = dataclasses.replace(settings, values=(*settings.values, *choice.items()))
        try:
            own = _of(spec, function, chosen)
        except UsageError as error:
            refused.append(error)
        else:
            opened += [(name_of(choice) if name == "default" else f"{name_of(choice)}, {name}", it) for name, it in own]
    if not opened:
        raise refused[0]
    return opened


def _of(spec: str, function: Callable[..., Any], settings: Settings) -> Variants:
    """A function as a helper or a loss on made-up inputs."""
    helper = _helper(spec, function, settings)
    if helper is not None:
        return [("default", helper)]
    ratio = given_ratio(function, dict(settings.roles))
    if ratio is not None:
        return called_variants(spec, of_log_probs(function, ratio), settings, ratio)
    probabilities = given_probabilities(function, dict(settings.roles))
    if probabilities:
        with contextlib.suppress(UsageError):
            return [("default", quotient_subject(spec, function, probabilities, settings))]
    parameters = credit_parameters(function, settings)
    if parameters is not None:
        return [("default", credit_helper(spec, function, parameters, settings))]
    return called_variants(spec, function, settings)


def _helper(spec: str, function: Callable[..., Any], settings: Settings) -> Judged | None:
    """The function as what it is alone; None where it is a loss or a piece of one, or makes nothing but advantages."""
    if is_rollout_function(function, {name: role for role, name in settings.roles}):
        return returns_helper(spec, function, settings)
    reduction = reduction_helper(spec, function, settings)
    if reduction is not None:
        return reduction
    return log_prob_helper(spec, function, settings) or clip_fraction_helper(spec, function, settings)


def _guarded(spec: str, run: Callable[[], TargetReport]) -> TargetReport:
    """An entry whatever happens: what the target did wrong is exit code 2, with the reason."""
    try:
        with restored(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # awkward inputs are the point; what matters of them becomes a finding
            use_one_core()
            return run()
    except UsageError as error:
        return TargetReport(spec, "unknown", error=str(error), exit_code=error.exit_code)


Opens = Callable[[], Variants]


def _reopens(spec: str, settings: Settings) -> Opens:
    """How a target is opened anew, from sources as they are loaded then."""
    return lambda: _governed(opened(spec, settings)[0], settings)


@dataclasses.dataclass(frozen=True)
class _Reopened:
    """What fixes are looked for with: how the target is opened anew, its subjects, and how each rule ended on them."""

    spec: str
    opens: Opens | None
    subjects: Mapping[str, Judged]
    said: Mapping[str, Mapping[str, Status]]
    pages: Sequence[Page]


def _repaired(found: list[Finding], case: _Reopened, settings: Settings, journal: Journal) -> list[Finding]:
    """The findings with fixes, where the target can be opened anew, and with a diagnosis."""

    if case.opens is not None:
        from ppo_audit.repair.search import repaired
        from ppo_audit.repair.trials import Case

        function = lambda: as_function(resolve(case.spec), case.spec, dict(settings.values))
        tried = Case(case.spec, case.opens, case.subjects, function, case.said, case.pages)
        found = repaired(found, tried, settings.trials, journal)
    is_loss = any(subject.kind in ("loss", "trainer") for subject in case.subjects.values())
    return with_diagnosis(found) if is_loss else found


def _entry(
    spec: str, variants: Variants, settings: Settings, source: Source, journal: Journal, opens: Opens | None
) -> TargetReport:
    """The entry of a target; fixes are looked for where it can be opened anew."""
    started = time.perf_counter()
    variants = _governed(variants, settings)
    qualified = spec.rpartition(":")[2] or spec
    (variant, first), *others = variants
    told, file = Told(journal, variant, qualified), display(source[0]) if source[0] else None
    journal.opened(Opened(first.kind, dict(first.roles), file, source[1]))
    pages = [page for code, page in catalogue(settings.rule_paths).items() if settings.selects(code)]
    judgements = judge(first, pages, told)
    found, said = findings(first, judgements, told), {variant: statuses(judgements)}
    for name, subject in others:
        told = dataclasses.replace(told, variant=name)
        later = judge(subject, pages, told)
        said[name] = statuses(later)
        explained = [code for judgement in judgements if judgement.violation for code in judgement.violation.explains]
        found = merge(found, findings(subject, later, told), name, explained)
        judgements = [_worse(a, b) for a, b in zip(judgements, later, strict=True)]
    outcomes = tuple(judgement.outcome for judgement in judgements)
    if settings.trials:
        found = _repaired(found, _Reopened(spec, opens, dict(variants), said, pages), settings, journal)
    found = _graded(found, dict(settings.severities))
    knows_facts = not journal.gave_up(CLOSING)
    journal.enter(CLOSING)
    profile = _profile(first) if knows_facts else {}
    return TargetReport(
        target=spec,
        kind=first.kind,
        file=file,
        line=source[1],
        roles=dict(first.roles),
        profile=profile,
        outcomes=outcomes,
        findings=tuple(found),
        remarks=(*_claimed(settings, profile), *_remarks(first)) if knows_facts else (),
        not_covered=first.not_covered if isinstance(first, Subject) else (),
        curves=_curves(first) if knows_facts and settings.curves else (),
        variants=tuple(name for name, _ in variants) if others else (),
        cases=sum(subject.count["cases"] for _, subject in variants),
        evaluations=sum(subject.count["evaluations"] for _, subject in variants),
        seconds=time.perf_counter() - started,
        exit_code=_exit_code(outcomes, found, settings),
        command=command_for(spec, settings),
    )


def _curves(subject: Judged) -> tuple[Curve, ...]:
    return _measurable(curves, subject, ()) if isinstance(subject, Subject) else ()


def _governed(variants: Variants, settings: Settings) -> Variants:
    """The subjects under the user's own thresholds and tolerances."""
    if not settings.thresholds and not settings.tolerances:
        return variants
    limits, tolerances = LIMITS | dict(settings.thresholds), TOLERANCES | dict(settings.tolerances)
    return [
        (name, dataclasses.replace(subject, limits=limits, tolerances=tolerances))
        if isinstance(subject, Subject)
        else (name, subject)
        for name, subject in variants
    ]


def _graded(found: Iterable[Finding], severities: Mapping[str, Severity]) -> list[Finding]:
    """The findings with the severities that the user gives to their rules."""
    graded = [dataclasses.replace(each, severity=severities.get(each.rule, each.severity)) for each in found]
    return sorted(graded, key=lambda finding: (finding.severity, finding.rule))


def _claimed(settings: Settings, profile: Mapping[str, object]) -> tuple[Remark, ...]:
    return () if settings.declared is None else (compare(settings.declared, profile),)


def _profile(subject: Judged) -> Mapping[str, object]:
    return subject.card() if isinstance(subject, Helper) else _measurable(card, subject, {})


def _remarks(subject: Judged) -> tuple[Remark, ...]:
    return (
        ()
        if isinstance(subject, Helper) or subject.kind in ("reduction", "metric")
        else _measurable(remarks, subject, ())
    )


def _measurable(measure: Callable[[Subject], Measured], subject: Subject, nothing: Measured) -> Measured:
    """What is measured for the report's sake; nothing where the target cannot be measured (PPO001 says why)."""
    try:
        return measure(subject)
    except NotApplicable:
        return nothing


def _worse(first: Judgement, later: Judgement) -> Judgement:
    """Of two variants' judgements of one rule the one that says more: flagged, errored, passed, skipped.

    Of two that are skipped it is the one that came nearer to be judged, whose reason is that of them all.
    """
    order = (Status.FLAGGED, Status.ERRORED, Status.PASSED, Status.SKIPPED)
    return min((first, later), key=lambda judgement: (order.index(judgement.outcome.status), -judgement.reach))


def _exit_code(outcomes: Iterable[Outcome], found: Iterable[Finding], settings: Settings) -> int:
    statuses = {outcome.status for outcome in outcomes}
    if Status.ERRORED in statuses:
        return 4
    if settings.fail_on is not None and any(f.severity <= settings.fail_on and f.waiver is None for f in found):
        return 1
    return 0 if statuses & {Status.PASSED, Status.FLAGGED, Status.WAIVED} else 5
