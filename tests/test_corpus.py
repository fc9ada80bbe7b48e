"""The corpus is what it claims: correct losses run, each fault is one edit, and each edit can be seen from outside."""

import importlib.util
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch

CORPUS = Path(__file__).parent / "corpus"


def _import(name: str) -> ModuleType:
    """`catalogue` and `calls` by path: pytest's importlib mode puts no folder on `sys.path`."""
    spec = importlib.util.spec_from_file_location(f"corpus_{name}", CORPUS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


catalogue, calls = _import("catalogue"), _import("calls")
ALL_FAULTS = catalogue.FAULTS + catalogue.FAULTS_LATER
# the starred rules of the catalogue, and the six beside them that come first
CORE_RULES = {
    *("PPO001", "PPO002", "PPO003", "PPO005", "PPO008"),
    *("PPO101", "PPO102", "PPO103", "PPO104", "PPO106", "PPO109", "PPO111"),
    *("PPO201", "PPO202", "PPO203", "PPO204", "PPO206", "PPO207", "PPO208"),
    *("PPO301", "PPO302", "PPO307", "PPO401", "PPO402", "PPO411", "PPO412"),
    *("PPO501", "PPO503", "PPO504", "PPO507", "PPO508", "PPO701"),
}
EXTREME = {"far ratios", "overflowing ratios", "bfloat16"}  # here an unguarded exp overflows: a true hazard


@cache
def _outcomes(name: str) -> dict[str, object]:
    module = calls.load(catalogue.FOLDER / f"{name}.py")
    return {regime.name: calls.outcome(module, name, regime) for regime in calls.regimes_for(name)}


def _named(items):
    return [pytest.param(item, id=item.name) for item in items]


class TestCorrectLosses:
    def test_every_file_is_listed_once_and_has_a_call(self):
        files = sorted(path.stem for path in catalogue.FOLDER.glob("*.py"))
        assert sorted(correct.name for correct in catalogue.CORRECT) == files
        assert sorted(calls.CALLS) == files

    @pytest.mark.parametrize("correct", _named(catalogue.CORRECT))
    def test_it_says_in_one_line_whose_manner_it_is_in(self, correct):
        assert (calls.load(correct.path).__doc__ or "").strip().count("\n") == 0
        assert callable(getattr(calls.load(correct.path), correct.attribute))

    @pytest.mark.filterwarnings("ignore:std")
    @pytest.mark.parametrize("correct", _named(catalogue.CORRECT))
    def test_it_is_finite_pure_and_repeatable(self, correct):
        for regime, outcome in _outcomes(correct.name).items():
            assert not outcome.error, regime
            assert (outcome.mutated, outcome.disturbed, outcome.repeatable) == ((), (), True), regime
            if regime in EXTREME or (regime == "one sample" and "PPO202" in correct.hazards):
                continue
            assert outcome.gradients, regime
            assert torch.isfinite(outcome.value).all(), regime
            assert all(torch.isfinite(gradient).all() for gradient in outcome.gradients.values()), regime

    @pytest.mark.filterwarnings("ignore:std")
    @pytest.mark.parametrize("correct", _named(catalogue.CORRECT))
    def test_its_hazards_are_true_and_all(self, correct):
        module = calls.load(correct.path)
        assert ("PPO101" in correct.hazards) == _multiplies_a_gradient_by_a_million(module, correct.name)
        single = _outcomes(correct.name).get("one sample")  # absent where the group size forbids one
        assert ("PPO202" in correct.hazards) == (single is not None and not torch.isfinite(single.value))


class TestFaults:
    def test_names_are_unique(self):
        assert not [name for name, count in Counter(fault.name for fault in ALL_FAULTS).items() if count > 1]

    def test_every_core_rule_has_a_fault(self):
        assert {fault.rule for fault in catalogue.FAULTS} == CORE_RULES

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("fault", _named(ALL_FAULTS))
    def test_it_can_be_seen_from_outside(self, fault, tmp_path):
        module = calls.load(catalogue.write(fault, tmp_path))
        assert any(
            not _outcomes(fault.base)[regime.name].like(calls.outcome(module, fault.base, regime))
            for regime in calls.regimes_for(fault.base)
        )

    @pytest.mark.parametrize("fault", _named(ALL_FAULTS))
    def test_its_line_is_where_the_edit_is(self, fault):
        line = catalogue.source_of(fault).splitlines()[catalogue.edited_line(fault) - 1]
        assert any(part.strip() in line for part in fault.new.splitlines()[:1])
        assert fault.rule not in fault.also


def _multiplies_a_gradient_by_a_million(module: ModuleType, name: str) -> bool:
    """At a log-ratio of 15 to 18 the gradient exceeds a million times the advantage, or is not finite."""
    regime = next(regime for regime in calls.REGIMES if regime.name == "far ratios")
    gradients = calls.outcome(module, name, regime).gradients
    policy = [g for leaf, g in gradients.items() if leaf in {"logp", "token_logp", "head_logp", "mean", "logits"}]
    return not all(gradient.abs().max() < 1e4 for gradient in policy)  # 1e6 by the mean over a hundred tokens
