"""A new rule starts as a skeleton whose tests fail until it is filled in; a rule from outside runs by its path."""

import subprocess
import sys

import pytest

from ppo_audit import audit
from ppo_audit.errors import UsageError
from ppo_audit.new_rule import write
from ppo_audit.settings import Settings


def plain_loss(log_prob, old_log_prob, advantage, clip_range=0.2):
    ratio = (log_prob - old_log_prob).exp()
    return -(ratio * advantage).minimum(ratio.clamp(1 - clip_range, 1 + clip_range) * advantage).mean()


def test_the_tests_of_a_skeleton_fail(tmp_path):
    _, test = write("my-property", "ACME001", "clip", tmp_path)
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", str(test)], capture_output=True, text=True, check=False)
    assert "3 failed" in run.stdout


def test_a_rule_from_outside_is_run_and_reported(tmp_path):
    rule, _ = write("my-property", "ACME001", "clip", tmp_path)
    rule.write_text(rule.read_text().replace("raise NotImplementedError", "return Violation").replace("TODO", "done"))
    report = audit(plain_loss, Settings(rule_paths=(str(rule),), select=("ACME001",)))
    assert [finding.rule for finding in report.findings] == ["ACME001"]


@pytest.mark.parametrize(
    ("name", "code"), [("My Property", "ACME001"), ("my-property", "PPO101"), ("my-property", "A1")]
)
def test_a_name_or_code_that_will_not_do_is_refused(name, code, tmp_path):
    with pytest.raises(UsageError):
        write(name, code, "clip", tmp_path)


def test_a_file_that_exists_is_kept(tmp_path):
    write("my-property", "ACME001", "clip", tmp_path)
    with pytest.raises(UsageError, match="exists"):
        write("my-property", "ACME001", "clip", tmp_path)
