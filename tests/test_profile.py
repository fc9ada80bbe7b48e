"""The profile card: what a loss computes, without a judgement."""

import subprocess
import sys
from pathlib import Path

import pytest

from ppo_audit.api import profile_of
from ppo_audit.errors import UsageError
from ppo_audit.settings import Settings
from ppo_audit.training import evaluate, train

CORRECT = Path(__file__).parent / "corpus" / "correct"


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("plain_min", "PPO-clip"),
        ("dual_clip_tianshou", "PPO-clip, dual clip at 5"),
        ("dapo_clip_higher", "PPO-clip, clip-higher, mean over tokens"),
        ("a2c", "policy gradient (REINFORCE, A2C)"),
        ("awr_actor_critic", "advantage-weighted regression (AWR)"),
    ],
)
def test_a_variant_is_named_by_what_it_computes(name, variant):
    assert profile_of(f"{CORRECT / name}.py:loss", Settings()).profile["variant"] == variant


def test_the_card_says_which_details_hold_and_which_a_loss_cannot_show():
    facts = profile_of(f"{CORRECT / 'cleanrl_minibatch'}.py:loss", Settings()).profile
    assert facts["7 advantage normalisation per minibatch"] == "holds: standard deviation with ddof 1, epsilon 1e-08"
    assert "20 frame stack" in facts["not visible in a loss, in the environment"]


def test_the_command_prints_the_card():
    words = [sys.executable, "-m", "ppo_audit", "profile", f"{CORRECT / 'plain_min'}.py:loss"]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "What it was measured to be" in run.stdout


def test_an_algorithm_or_checkpoint_that_is_not_there_is_a_message(tmp_path):
    with pytest.raises(UsageError, match="no algorithm here"):
        train("pppo", "CartPole-v1", tmp_path, None, [])
    with pytest.raises(UsageError, match="does not exist"):
        evaluate(tmp_path / "none.pt", 1, True, 0)
