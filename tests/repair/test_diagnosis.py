"""A slip is named by the rules that flag it, only where the margin to the runner-up is real."""

from __future__ import annotations

from ppo_audit.findings import Confidence, Finding, Severity
from ppo_audit.repair.diagnosis import diagnosed, known_faults, with_diagnosis


def finding(rule: str, *also: str, severity: Severity = Severity.SERIOUS) -> Finding:
    return Finding(rule, rule, "clip", severity, Confidence.EXACT, "It fails.", None, rule, also=also)


def test_leaving_each_fault_out_most_of_those_named_are_named_rightly():
    known = known_faults()
    left_out = [(each, diagnosed(each.flagged, [*known[:i], *known[i + 1 :]])) for i, each in enumerate(known)]
    said = [(each, found) for each, found in left_out if found is not None and found.is_clear]
    right = sum(found.slip == each.slip for each, found in said)
    assert len(known) >= 280
    assert len(said) / len(known) >= 0.4
    assert right / len(said) >= 0.9


def test_the_gravest_finding_that_is_no_hazard_has_the_diagnosis():
    codes = next(each.flagged for each in known_faults() if each.slip == "entropy: sign of the term")
    found = with_diagnosis([finding("PPO101", severity=Severity.CRITICAL), finding(*codes)])
    assert found[0].diagnosis == ""
    assert "entropy: sign of the term" in found[1].diagnosis
    assert "behind" in found[1].diagnosis


def test_a_hazard_alone_is_no_slip():
    assert with_diagnosis([finding("PPO101")]) == [finding("PPO101")]


def test_without_a_margin_nothing_is_said():
    unclear = [each for each in known_faults() if not diagnosed(each.flagged, known_faults()).is_clear]
    assert with_diagnosis([finding(*unclear[0].flagged)])[0].diagnosis == ""


def test_what_is_like_no_known_slip_is_not_named():
    two_at_once = ("PPO201", "PPO411")
    assert diagnosed(two_at_once, known_faults()).alike < 0.9
    assert with_diagnosis([finding(code) for code in two_at_once])[0].diagnosis == ""
