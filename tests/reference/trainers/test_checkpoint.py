"""A run that was cut short ends like one that was not: bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from ppo_audit.reference import train as training
from ppo_audit.reference.trainers import checkpoint, metrics
from ppo_audit.reference.trainers.ppo import PPOConfig
from ppo_audit.reference.trainers.quantile import QuantileConfig
from ppo_audit.reference.trainers.trainer import Setup

SMALL = {"rollout_steps": 16, "minibatch_size": 64, "hidden": (16,), "environments": 4}
GROUPS = {"environments": 4, "group_size": 2, "hidden": (16,), "epochs": 1}
RUNS = [
    ("ppo", "CartPole-v1", SMALL | {"clip_fraction_band": (0.1, 0.3)}),
    ("ppo", "Pendulum-v1", SMALL | {"policy": "squashed", "entropy_coef": 0.01}),
    ("ppo", "native/CartPole-v1", SMALL | {"network": "transformer", "history": 3}),
    ("ppo-kl", "native/CartPole-v1", SMALL),
    ("ppo-quantile", "native/CartPole-v1", SMALL),
    ("trpo", "native/CartPole-v1", SMALL),
    ("grpo", "native/CartPole-v1", GROUPS | {"kl_coef": 0.1}),
    ("grpo-tokens", "native/ReverseTokens", GROUPS | {"network": "tokens"}),
]


def parameters(folder):
    return checkpoint.read(folder / "checkpoint.pt")["network"]


def assert_equal_runs(a, b):
    left, right = parameters(a), parameters(b)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert metrics.read(a / "metrics.jsonl") == metrics.read(b / "metrics.jsonl")


class Interrupted(Exception):
    pass


def stop_after(updates):
    def progress(steps, total, record):
        if record["updates"] > updates:
            raise Interrupted

    return progress


@pytest.mark.parametrize(("algo", "environment", "options"), RUNS, ids=lambda x: x if isinstance(x, str) else "")
def test_an_interrupted_run_resumes_bit_equally(algo, environment, options, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    steps = 6 * 64 if "grpo" not in algo else 2_500
    run = lambda name, **more: training.train(algo, environment, tmp_path / name, steps, options, **more)
    run("whole")
    with pytest.raises(Interrupted):
        run("cut", progress=stop_after(2))
    resumed = run("cut")
    assert resumed.steps >= steps
    assert_equal_runs(tmp_path / "whole", tmp_path / "cut")


PROGRAM = """
import sys, torch
from pathlib import Path
from ppo_audit.reference import train as training
torch.set_num_threads(1)
training.CHECKPOINT_SECONDS = 0.0
training.train("ppo", "native/CartPole-v1", Path(sys.argv[1]), 40_960, {"rollout_steps": 32, "hidden": (16,)})
"""


def test_kill_9_in_mid_training_and_resume_gives_the_same_final_parameters(tmp_path):
    start = lambda name: subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path / name)])
    assert start("whole").wait() == 0
    killed = start("killed")
    log = tmp_path / "killed" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (log.exists() and len(metrics.read(log)) > 20) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert len(metrics.read(log)) < 160, "the run ended before it was killed"
    assert start("killed").wait() == 0
    assert_equal_runs(tmp_path / "whole", tmp_path / "killed")


class TestTrain:
    def trained(self, folder, **options):
        return training.train("ppo", "native/CartPole-v1", folder, 128, SMALL | options)

    def test_a_run_leaves_checkpoint_metrics_curve_and_tensorboard(self, tmp_path):
        result = training.train("ppo", "native/CartPole-v1", tmp_path, 1024, SMALL)
        assert result.checkpoint.exists()
        assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
        assert list((tmp_path / "tensorboard").glob("events.*"))
        records = metrics.read(tmp_path / "metrics.jsonl")
        assert [r["steps"] for r in records] == list(range(64, 1025, 64))
        wanted = "policy_loss value_loss entropy kl approx_kl kl_difference clip_fraction ratio_min ratio_max"
        wanted += " nonfinite_ratios nonfinite_gradients explained_variance return"
        assert set(wanted.split()) <= set(records[-1])
        assert records[-1]["kl_difference"] == pytest.approx(records[-1]["approx_kl"] - records[-1]["kl"])
        assert len(result.evaluation.returns) == 10

    def test_evaluation_runs_exactly_the_episodes_asked_for_and_is_repeatable(self, tmp_path):
        path = self.trained(tmp_path).checkpoint
        once, again = (training.evaluate(path, 7, deterministic=False) for _ in range(2))
        assert once == again
        assert len(once.returns) == len(once.lengths) == 7
        assert training.evaluate(path, 7, deterministic=False, seed=1) != once

    def test_a_folder_of_another_run_is_refused_with_the_difference(self, tmp_path):
        self.trained(tmp_path)
        with pytest.raises(ValueError, match="`epochs` 4 there, 9 here; choose another folder"):
            self.trained(tmp_path, epochs=9)

    def test_a_finished_run_is_not_trained_again(self, tmp_path):
        self.trained(tmp_path)
        before = parameters(tmp_path)
        self.trained(tmp_path)
        assert all(torch.equal(before[name], x) for name, x in parameters(tmp_path).items())

    @pytest.mark.parametrize(
        ("algo", "options", "message"),
        [
            ("ppoo", {}, "unknown algorithm `ppoo`; expected one of ppo, "),
            ("ppo", {"learning_rat": 1}, "unknown options learning_rat of `PPOConfig`; it has rollout_steps"),
            ("ppo", {"network": "cnn"}, "unknown network `cnn`; expected one of separate"),
        ],
    )
    def test_mistakes_are_answered_with_the_choices(self, algo, options, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            training.train(algo, "native/CartPole-v1", tmp_path, 128, options)

    def test_options_given_by_hand_win_over_the_preset(self, tmp_path):
        trainer = training.load(self.trained(tmp_path, gamma=0.5).checkpoint)
        assert (trainer.config.gamma, trainer.config.learning_rate) == (0.5, 2.5e-3)


class TestFiles:
    def test_a_file_that_is_no_checkpoint_is_refused_by_name(self, tmp_path):
        (tmp_path / "x.pt").write_text("hello")
        with pytest.raises(ValueError, match=r"x.pt` is not a checkpoint"):
            checkpoint.read(tmp_path / "x.pt")
        torch.save({"format": "other"}, tmp_path / "y.pt")
        with pytest.raises(ValueError, match="expected a checkpoint of format `ppo-audit-trainer/1`, got `other`"):
            checkpoint.read(tmp_path / "y.pt")

    def test_a_half_written_checkpoint_never_takes_the_place_of_a_whole_one(self, tmp_path, monkeypatch):
        path = tmp_path / "checkpoint.pt"
        checkpoint.write_atomically({"n": 1}, path)

        def fail(state, file):
            file.write(b"half")
            raise OSError("disk full")

        monkeypatch.setattr(torch, "save", fail)
        with pytest.raises(OSError, match="disk full"):
            checkpoint.write_atomically({"n": 2}, path)
        assert torch.load(path, weights_only=True) == {"n": 1}

    def test_metrics_survive_a_cut_line_and_non_finite_numbers(self, tmp_path):
        path = tmp_path / "metrics.jsonl"
        metrics.append(path, {"steps": 1, "return": float("nan")})
        metrics.append(path, {"steps": 2, "return": 3.0})
        with path.open("a") as file:
            file.write('{"steps": 3, "ret')
        assert metrics.read(path) == [{"steps": 1, "return": None}, {"steps": 2, "return": 3.0}]
        metrics.forget_after(path, 1)
        assert [json.loads(line)["steps"] for line in path.read_text().splitlines()] == [1]

    def test_options_of_an_inner_configuration_may_stand_flat_or_inside(self):
        flat = checkpoint.frozen(QuantileConfig, {"quantiles": 5, "epochs": 2})
        inside = checkpoint.frozen(QuantileConfig, {"quantiles": 5, "ppo": {"epochs": 2}})
        assert flat == inside == QuantileConfig(PPOConfig(epochs=2), quantiles=5)
        assert checkpoint.flat_options(flat)["epochs"] == 2
        assert checkpoint.frozen(Setup, {"environment": "x", "hidden": [3]}).hidden == (3,)
