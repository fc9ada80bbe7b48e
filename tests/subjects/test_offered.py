"""Modes that a loss offers and has off are judged as variants."""

from argparse import Namespace

import pytest

from ppo_audit import audit
from ppo_audit.subjects.offered import normalises, offered_modes

LOSS = """
import argparse

def loss({signature}):
    if {switch}:
        advantages = {normalised}
    ratio = (log_probs - old_log_probs).exp()
    return -(ratio * advantages).minimum(ratio.clamp(0.8, 1.2) * advantages).mean()
"""
ROLES = "log_probs, old_log_probs, advantages"
STANDARD = "(advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("normalize_advantage", True),
        ("norm_adv", True),
        ("whiten_advantages", True),
        ("normalise", True),
        ("norm_obs", False),
        ("normalize_returns", False),
        ("max_grad_norm", False),
        ("use_gae", False),
    ],
)
def test_a_switch_normalises_advantages_by_its_name(name, is_one):
    assert normalises(name) == is_one


def offers(log_probs, advantages, norm_adv=False, clip_range_vf=None, args=Namespace(whiten=False)):  # noqa: B008
    return (log_probs * advantages).mean() if norm_adv or clip_range_vf or args.whiten else log_probs.mean()


def test_every_mode_that_is_off_is_a_variant_and_what_the_user_sets_is_none():
    assert [mode.name for mode in offered_modes(offers, {})] == [
        "norm_adv=True",
        "clip_range_vf=0.2",
        "whiten=True",
    ]
    assert [mode.name for mode in offered_modes(offers, {"norm_adv": False, "args": None})] == ["clip_range_vf=0.2"]


@pytest.mark.parametrize(
    ("signature", "switch"),
    [
        (f"{ROLES}, norm_adv=False", "norm_adv"),
        (f"{ROLES}, args=argparse.Namespace(norm_adv=False)", "args.norm_adv"),
    ],
)
@pytest.mark.parametrize(
    ("normalised", "flagged"),
    [
        (STANDARD, set()),
        (STANDARD.replace("s - a", "s + a"), {"PPO203"}),
        (STANDARD.replace(" + 1e-8", ""), {"PPO202"}),
    ],
)
def test_a_fault_in_a_mode_that_is_off_is_found_and_names_the_mode(tmp_path, signature, switch, normalised, flagged):
    file = tmp_path / "offered.py"
    file.write_text(LOSS.format(signature=signature, switch=switch, normalised=normalised))
    (target,) = audit(f"{file}:loss").targets
    found = {finding.rule: finding.variant for finding in target.findings if finding.rule in ("PPO202", "PPO203")}
    assert found == dict.fromkeys(flagged, "norm_adv=True")
