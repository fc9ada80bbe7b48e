"""Real trainers, unmodified: a script in CleanRL's manner with its faulty twins, and Stable-Baselines3 as installed."""

import json
from pathlib import Path

import jsonschema
import pytest

from ppo_audit import audit
from ppo_audit.findings import Severity
from ppo_audit.recipes import stable_baselines3
from ppo_audit.reports import render
from tests.targets.cleanrl_faults import FAULTS, edited_line, write

SCRIPT = Path(__file__).parent / "targets" / "cleanrl_manner.py"
HAZARDS = {"PPO101": "ratio = logratio.exp()", "PPO202": "mb_advantages = (mb_advantages - mb_advantages.mean())"}


def serious(report):
    return {finding.rule: finding for finding in report.findings if finding.severity <= Severity.SERIOUS}


def test_a_correct_script_has_its_true_hazards_at_their_lines_and_nothing_else():
    found = serious(audit(str(SCRIPT)))
    assert found.keys() == HAZARDS.keys()
    assert all(found[rule].location.code.strip().startswith(code) for rule, code in HAZARDS.items())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_faulty_twin_has_one_finding_more_by_the_owning_rule_at_the_edited_line(fault, tmp_path):
    found = serious(audit(str(write(fault, tmp_path))))
    (finding,) = (finding for rule, finding in found.items() if rule not in HAZARDS)
    assert (finding.rule, finding.location.line) == (fault.rule, edited_line(fault))
    assert set(finding.also) >= set(fault.also)


class TestStableBaselines3:
    @pytest.fixture(scope="class")
    def report(self):
        pytest.importorskip("stable_baselines3")
        return audit("stable_baselines3:PPO")

    def test_two_variants_are_judged(self, report):
        assert report.targets[0].variants == tuple(variant.name for variant in stable_baselines3.ppo())
        assert report.exit_code == 1

    def test_the_profile_is_recovered_from_the_recording(self, report):
        profile = report.targets[0].profile
        assert profile["clip_range"] == pytest.approx(0.2)
        assert profile["normalisation"] == {"scope": "batch", "ddof": 1, "epsilon": 1e-8}
        assert profile["value_coefficient"] == 0.5
        assert profile["entropy_coefficient"] == 0.0
        assert any("ppo.py" in guard for guard in profile["one_sample_guard"])

    def test_the_unguarded_ratio_and_the_missing_maximum_are_found_and_nothing_else(self, report):
        found = serious(report)
        assert found.keys() == {"PPO101", "PPO302"}
        assert found["PPO302"].variant == "clip_range_vf=0.2"
        assert "th.exp(" in found["PPO101"].location.code
        assert "th.clamp(" in found["PPO302"].location.code

    def test_the_json_report_validates_against_the_schema(self, report):
        schema = json.loads((Path(__file__).parents[2] / "shared" / "design" / "report.schema.json").read_text())
        jsonschema.validate(json.loads(render(report, "json")), schema)
