"""The pictures show what a loss computes: a correct loss lies on the reference, a wrong one beside it."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from ppo_audit.api import audit_targets
from ppo_audit.findings import REFERENCE, Curve, TargetReport
from ppo_audit.settings import Settings

CORRECT = Path(__file__).parent / "corpus" / "correct"
FOLLOWED = """
import torch
def loss(log_prob, old_log_prob, advantages, values, returns, clip_range=0.2, vf_coef=0.5, kl_coef=0.1):
    ratio = torch.exp(log_prob - old_log_prob)
    clipped = torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
    policy = -torch.min(ratio * advantages, clipped * advantages).mean()
    k3 = (ratio - 1 - (log_prob - old_log_prob)).mean()
    return policy + vf_coef * ((values - returns) ** 2).mean() + kl_coef * k3
"""


def measured(spec: str, **settings: bool) -> TargetReport:
    chosen = Settings(select=("PPO001",), **settings)
    (entry,) = audit_targets([spec], chosen).targets
    assert entry.error is None
    return entry


def curves_of(source: str, folder: Path) -> dict[str, Curve]:
    file = folder / "losses.py"
    file.write_text(source, encoding="utf-8")
    return {curve.name: curve for curve in measured(f"{file}:loss", curves=True).curves}


@pytest.fixture(scope="module")
def correct(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Curve]:
    return curves_of(FOLLOWED, tmp_path_factory.mktemp("losses"))


class TestCorrectLoss:
    @pytest.mark.parametrize("name", ["policy-loss", "policy-gradient"])
    @pytest.mark.parametrize("sign", ["+1", "-1"])
    def test_lies_on_the_clipped_surrogate(self, correct: dict[str, Curve], name: str, sign: str):
        series = correct[name].series
        reference = series[f"{REFERENCE}PPO clip [0.8, 1.2], A = {sign}"]
        assert series[f"measured, A = {sign}"] == pytest.approx(reference, abs=1e-4)

    def test_has_the_value_loss_of_the_reference(self, correct: dict[str, Curve]):
        series = correct["value-loss"].series
        assert series["measured"] == pytest.approx(series[f"{REFERENCE}squared error"], abs=1e-4)

    def test_shows_which_estimator_its_kl_term_is(self, correct: dict[str, Curve]):
        series = correct["kl"].series
        assert series["measured"] == pytest.approx(series[f"{REFERENCE}k3"], abs=1e-4)
        assert series["measured"] != pytest.approx(series[f"{REFERENCE}k2"], abs=1e-2)

    def test_has_no_picture_of_what_it_does_not_do(self, correct: dict[str, Curve]):
        assert "advantages" not in correct

    def test_is_plain_data_that_a_worker_can_send(self, correct: dict[str, Curve]):
        assert pickle.loads(pickle.dumps(correct)) == correct


def test_a_wrong_loss_leaves_the_reference(tmp_path: Path):
    series = curves_of(FOLLOWED.replace("torch.min(ratio", "torch.max(ratio"), tmp_path)["policy-gradient"].series
    reference = series[f"{REFERENCE}PPO clip [0.8, 1.2], A = +1"]
    assert series["measured, A = +1"] != pytest.approx(reference, abs=0.5)


def test_normalised_advantages_have_mean_0_and_deviation_1(tmp_path: Path):
    normalise = "    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)\n    ratio ="
    curve = curves_of(FOLLOWED.replace("    ratio =", normalise, 1), tmp_path)["advantages"]
    assert curve.series["measured"] == pytest.approx(curve.series[f"{REFERENCE}mean 0, deviation 1"], abs=1e-4)


def test_without_being_asked_nothing_is_drawn(tmp_path: Path):
    (tmp_path / "losses.py").write_text(FOLLOWED, encoding="utf-8")
    assert measured(f"{tmp_path / 'losses.py'}:loss").curves == ()


@pytest.mark.parametrize("file", sorted(CORRECT.glob("*.py"))[::4], ids=lambda file: file.stem)
def test_every_series_has_a_number_for_every_x(file: Path):
    name = "loss" if re.search(r"^def loss", file.read_text(encoding="utf-8"), re.M) else "Loss"
    for curve in measured(f"{file}:{name}", curves=True).curves:
        assert {len(values) for values in curve.series.values()} == {len(curve.x)}
