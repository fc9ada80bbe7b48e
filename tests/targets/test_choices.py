"""A parameter that takes one of a few named values makes a variant of each."""

import enum
from dataclasses import dataclass
from typing import Literal

import pytest

from ppo_audit import audit
from ppo_audit.targets.choices import MOST, choices_of, name_of

Estimator = Literal["k1", "k3"]


class Mean(enum.Enum):
    TOKENS = "token-mean"
    SEQUENCES = "seq-mean"


@dataclass(frozen=True)
class Config:
    estimator: Estimator
    mean: Mean = Mean.TOKENS


def one(log_prob, estimator: Estimator): ...
def two(log_prob, estimator: Estimator, mean: Mean): ...
def decided(log_prob, estimator: Estimator = "k1"): ...
def configured(log_prob, config: Config): ...


@pytest.mark.parametrize(
    ("function", "given", "names"),
    [
        (one, (), ["estimator=k1", "estimator=k3"]),
        (one, ("estimator",), []),
        (two, ("estimator",), ["mean=TOKENS", "mean=SEQUENCES"]),
        (decided, (), []),
        (configured, (), ["estimator=k1", "estimator=k3"]),
    ],
)
def test_what_has_no_default_and_is_not_set_is_a_choice(function, given, names):
    assert [name_of(choice) for choice in choices_of(function, given)] == names


def test_choices_are_combined_up_to_a_bound():
    assert len(choices_of(two, ())) == 4
    many = enum.Enum("many", [f"m{number}" for number in range(2 * MOST)])
    one.__annotations__["estimator"] = many
    assert len(choices_of(one, ())) == MOST


SOURCE = """
from typing import Literal


def penalty(log_prob, ref_log_prob, kind: Literal["k2", "k3", "absent"]):
    log_ratio = ref_log_prob - log_prob
    forms = {"k2": 0.5 * log_ratio**2, "k3": log_ratio.exp() + 1 - log_ratio}
    return forms[kind].mean()
"""


def test_each_choice_that_can_be_called_is_judged(tmp_path):
    path = tmp_path / "penalty.py"
    path.write_text(SOURCE)
    (target,) = audit(f"{path}:penalty").targets
    assert target.variants == ("kind=k2", "kind=k3")
    assert "PPO411" in {finding.rule for finding in target.findings}
