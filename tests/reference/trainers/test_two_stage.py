"""The two-stage pipeline and the study, on the smallest scale that shows their wiring."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from ppo_audit.reference import study
from ppo_audit.reference.trainers import checkpoint
from ppo_audit.reference.two_stage import QUICK, Plan, two_stage

TINY = Plan(1_024, episodes=2, episode_steps=30, passes=2, grpo_steps=500, environments=8)


def quiet(steps, total, record):
    pass


@pytest.mark.parametrize("network", ["separate", "transformer"])
def test_the_second_stage_begins_with_the_first_ones_policy_and_keeps_it_as_reference(network, tmp_path):
    result = two_stage("native/CartPole-v1", tmp_path, replace(TINY, network=network), quiet)
    cloned, final = (checkpoint.read(stage.checkpoint) for stage in (result.cloned, result.final))
    assert final["setup"]["network"] == network
    assert all(torch.equal(x, final["reference"][name]) for name, x in cloned["network"].items())
    assert not all(torch.equal(x, final["network"][name]) for name, x in cloned["network"].items())


def test_the_quick_pipeline_reaches_500(tmp_path):
    result = two_stage("native/CartPole-v1", tmp_path, QUICK, quiet)
    assert result.final.evaluation.mean > 475
    assert result.final.evaluation.mean >= result.demonstrator.evaluation.mean - 25


def test_a_study_keeps_every_seed_and_writes_the_table_and_the_figure(tmp_path):
    options = {"total_steps": 1_024, "hidden": [8]}
    runs = study.study("ppo", "native/CartPole-v1", 2, tmp_path, options)
    assert [run["seed"] for run in runs] == [0, 1]
    kept = json.loads((tmp_path / "ppo-native-CartPole-v1.json").read_text())
    assert kept["options"] == options
    assert len(kept["runs"]) == 2
    means = f"{runs[0]['mean']:g}, {runs[1]['mean']:g}"
    assert "| ppo | native/CartPole-v1 | 0 to 1 | 1,024 |" in (tmp_path / "README.md").read_text()
    assert means in (tmp_path / "README.md").read_text()
    assert (tmp_path / "ppo-native-CartPole-v1.png").read_bytes().startswith(b"\x89PNG")
