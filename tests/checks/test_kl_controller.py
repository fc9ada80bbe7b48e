"""What is taken for a controller of the KL, and what is not: a penalty, a fixed coefficient, a test for stopping."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppo_audit.api import audit
from ppo_audit.findings import Status, TargetReport
from ppo_audit.settings import Settings
from tests.checks.audits import outcome_of

AVERAGED = """
class Averaged:
    def __init__(self, coef=0.1, target=0.02):
        self.coef, self.target, self.ema = coef, target, 0.0

    def step(self, kl):
        self.ema = 0.9 * self.ema + 0.1 * kl
        if self.ema > 2 * self.target:
            self.coef *= 1.5
        elif self.ema < 0.5 * self.target:
            self.coef /= 1.5
"""
LEARNED = """
import torch

class Learned:
    def __init__(self, target_kl=0.02):
        self.target_kl = target_kl
        self.log_beta = torch.zeros((), requires_grad=True)
        self.adam = torch.optim.Adam([self.log_beta], lr=0.01)

    @property
    def beta(self):
        return self.log_beta.exp().item()

    def update(self, kl):
        self.adam.zero_grad()
        (-self.log_beta * (kl - self.target_kl)).backward()
        self.adam.step()
"""
IN_OPTIMIZER = """
def adjust(optimizer, kl_mean, desired_kl=0.01):
    for group in optimizer.param_groups:
        if kl_mean > 2 * desired_kl:
            group["lr"] = max(group["lr"] / 1.5, 1e-5)
        elif 0 < kl_mean < desired_kl / 2:
            group["lr"] = min(group["lr"] * 1.5, 1e-2)
"""
FIXED = """
class Fixed:
    def __init__(self, kl_coef):
        self.value = kl_coef

    def update(self, current, n_steps):
        pass
"""
OTHERS = {
    "penalty": "def penalty(kl, kl_coef):\n    return kl_coef * kl.mean()\n",
    "hinge": "import torch\n\ndef hinge(kl, target, beta):\n    return beta * torch.relu(kl - target).mean()\n",
    "stop": "def stop(kl, target_kl):\n    return kl > 1.5 * target_kl\n",
}


def entry_of(source: str, name: str, folder: Path) -> TargetReport:
    path = folder / f"controller_of_{name}.py"
    path.write_text(source)
    return audit(f"{path}:{name}", Settings(trials=0)).targets[0]


@pytest.mark.parametrize(("name", "source"), [("Averaged", AVERAGED), ("Learned", LEARNED), ("adjust", IN_OPTIMIZER)])
def test_honest_controllers_of_other_forms_pass(name: str, source: str, tmp_path: Path):
    entry = entry_of(source, name, tmp_path)
    assert (entry.kind, entry.findings) == ("kl", ())
    assert outcome_of(entry, "PPO416").status is Status.PASSED


def test_a_fixed_coefficient_is_no_controller_that_fails(tmp_path: Path):
    outcome = outcome_of(entry_of(FIXED, "Fixed", tmp_path), "PPO416")
    assert (outcome.status, outcome.reason) == (
        Status.SKIPPED,
        "the helper does not react to the KL: a fixed coefficient",
    )


@pytest.mark.parametrize("name", OTHERS)
def test_a_penalty_or_a_test_for_stopping_is_not_taken_for_one(name: str, tmp_path: Path):
    assert entry_of(OTHERS[name], name, tmp_path).kind != "kl"
