"""Rules as tests: `@ppo_audit.parametrize_with_checks([loss])` makes one test a rule and loss.

    @ppo_audit.parametrize_with_checks([ppo_loss, "losses.py:grpo_loss"])
    def test_the_losses_are_right(loss, check):
        check(loss)

As a plugin it registers a marker and nothing else; what is heavy loads when a check runs. A rule below `fail_on` that
flags passes its test, a waived one is skipped with the waiver, and one that another finding explains is skipped with
that rule, so that one cause is one failure.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ppo_audit.findings import Finding, Outcome, Report, TargetReport
    from ppo_audit.settings import Settings


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, so that `-m ppo_audit` selects these tests and strict markers allow them."""
    config.addinivalue_line("markers", "ppo_audit: one rule of ppo-audit against one loss")


@dataclass(frozen=True)
class Check:
    """One rule, to be called with a loss."""

    rule: str
    name: str
    report: Callable[[], Report]

    def __call__(self, loss: Any) -> None:
        """Pass, skip with the reason, or fail with the finding as the terminal shows it."""
        report = self.report()
        (target,) = report.targets
        outcome = next((each for each in target.outcomes if each.rule == self.rule), None)
        if target.error or outcome is None:
            pytest.fail(target.error or f"{self.rule} was not judged", pytrace=False)
        found = [each for each in target.findings if each.rule == self.rule]
        _conclude(report, outcome, found)


def parametrize_with_checks(losses: Sequence[Any], settings: Settings | None = None) -> pytest.MarkDecorator:
    """Parametrise a test over `loss` and `check`: every selected rule against every loss, callable or spec."""
    from ppo_audit.rules import catalogue
    from ppo_audit.settings import Settings

    chosen = settings or Settings()
    pages = [page for code, page in catalogue(chosen.rule_paths).items() if chosen.selects(code)]
    parameters = []
    for loss in losses:
        report = _once(loss, chosen)
        parameters += [
            pytest.param(
                loss,
                Check(page.rule.code, page.rule.name, report),
                id=f"{_name(loss)}-{page.rule.code}-{page.rule.name}",
                marks=pytest.mark.ppo_audit,
            )
            for page in pages
        ]
    return pytest.mark.parametrize(("loss", "check"), parameters)


def _once(loss: Any, settings: Settings) -> Callable[[], Report]:
    """The audit of one loss, made by the first check that needs it."""

    @functools.cache
    def report() -> Report:
        from ppo_audit.api import audit

        return audit(loss, settings)

    return report


def _name(loss: Any) -> str:
    return loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)


def _conclude(report: Report, outcome: Outcome, found: Sequence[Finding]) -> None:
    from ppo_audit.findings import Status

    (target,) = report.targets
    if outcome.status is Status.ERRORED:
        pytest.fail(f"{outcome.rule}: {outcome.reason}", pytrace=False)
    if outcome.status is Status.SKIPPED:
        pytest.skip(outcome.reason or "the rule does not apply")
    if outcome.status is Status.WAIVED:
        pytest.skip(f"waived: {outcome.reason}")
    if outcome.status is Status.FLAGGED and not found:
        pytest.skip(f"flagged as part of {_explaining(target, outcome.rule)}")
    grave = [each for each in found if report.fail_on is not None and each.severity <= report.fail_on]
    if any(each.waiver is None for each in grave):
        pytest.fail(_text(report, grave), pytrace=False)


def _explaining(target: TargetReport, rule: str) -> str:
    return ", ".join(each.rule for each in target.findings if rule in each.also) or "another finding"


def _text(report: Report, found: Sequence[Finding]) -> str:
    from ppo_audit.reports import terminal

    (target,) = report.targets
    alone = dataclasses.replace(target, findings=tuple(found), outcomes=(), remarks=(), roles={}, profile={})
    shown = dataclasses.replace(report, targets=(dataclasses.replace(alone, stale_waivers=(), not_covered=()),))
    body = terminal.render(shown).splitlines()
    return "\n".join(body[:-1]).strip()  # the last line is the verdict on the whole report
