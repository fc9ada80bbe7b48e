"""Roles that the user names for a script: by a variable that is there when `backward` is called, or refused."""

import pytest

from ppo_audit import audit
from ppo_audit.settings import Settings
from tests.targets.trainer_programs import FOLDER

SCRIPT = str(FOLDER / "full_batch.py")


def entry(*roles):
    (target,) = audit(SCRIPT, Settings(select=("PPO104",), roles=roles)).targets
    return target


def test_a_role_goes_to_the_variable_that_the_user_names():
    target = entry(("old_log_prob", "logp_old"))
    assert target.roles["old_log_prob"] == "`logp_old`: named by you"
    assert target.error is None


@pytest.mark.parametrize(
    ("role", "hint"),
    [(("old_log_prob", "logp_odl"), "Did you mean `logp_old`?"), (("old_log_probs", "logp_old"), "`old_log_prob`?")],
)
def test_a_name_or_role_that_is_not_there_is_refused_with_the_closest_one(role, hint):
    target = entry(role)
    assert target.exit_code == 2
    assert hint in target.error
