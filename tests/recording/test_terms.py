"""The loss as a sum of terms: coefficients, families, and the terms adding up to the total."""

import pytest
import torch

from ppo_audit.recording.graph import dependencies
from ppo_audit.recording.terms import split
from ppo_audit.recording.trace import Recorder
from ppo_audit.subjects.families import family

N = 6


def inputs():
    generator = torch.Generator().manual_seed(0)
    roles = ("log_prob", "old_log_prob", "advantage", "value", "return_", "entropy")
    return {role: torch.randn(N, generator=generator, dtype=torch.float64, requires_grad=True) for role in roles}


def surrogate(x):
    ratio = (x["log_prob"] - x["old_log_prob"]).exp()
    return torch.min(ratio * x["advantage"], ratio.clamp(0.8, 1.2) * x["advantage"])


def separate_means(x):
    value_loss = (x["value"] - x["return_"]).pow(2).mean()
    return -surrogate(x).mean() + 0.5 * value_loss - 0.01 * x["entropy"].mean()


def one_mean_over_all(x):
    value_loss = (x["value"] - x["return_"]).pow(2)
    return (-surrogate(x) + 0.5 * value_loss - 0.01 * x["entropy"]).mean()


def accumulated(x):
    return one_mean_over_all(x) * 4 / 4


def negated_objective(x):
    objective = surrogate(x).mean() - 0.5 * (x["value"] - x["return_"]).pow(2).mean()
    objective += 0.01 * x["entropy"].mean()
    return -objective


def masked_sum(x):
    mask = torch.ones(N, dtype=torch.float64)
    per_token = -surrogate(x) + 0.5 * (x["value"] - x["return_"]).pow(2) - 0.01 * x["entropy"]
    return (per_token * mask).sum() / mask.sum()


LOSSES = (separate_means, one_mean_over_all, accumulated, negated_objective, masked_sum)


def parts_of(loss):
    given, recorder = inputs(), Recorder()
    numbers = {role: recorder.trace.value_of(tensor) for role, tensor in given.items()}
    with recorder:
        total = loss(given)
    trace = recorder.trace
    return given, total, trace, split(trace, trace.value_of(total), dependencies(trace, numbers), family)


@pytest.mark.parametrize("loss", LOSSES)
def test_coefficients_are_read_off_whatever_the_style(loss):
    _, _, _, parts = parts_of(loss)
    assert {part.family: pytest.approx(abs(part.coefficient)) for part in parts} == {
        "policy": 1,
        "value": 0.5,
        "entropy": 0.01,
    }


@pytest.mark.parametrize("loss", LOSSES)
def test_the_terms_add_up_to_the_total_in_value_and_gradient(loss):
    given, total, trace, parts = parts_of(loss)
    summed = torch.stack([part.coefficient * part.unscaled(trace.tensors[part.atom]).sum() for part in parts]).sum()
    torch.testing.assert_close(summed, total)
    leaves = [given[role] for role in ("log_prob", "value", "entropy")]
    for mine, own in zip(
        torch.autograd.grad(summed, leaves, retain_graph=True), torch.autograd.grad(total, leaves), strict=True
    ):
        torch.testing.assert_close(mine, own)


def test_a_difference_of_log_probs_stays_whole():
    _, _, _, parts = parts_of(lambda x: -surrogate(x).mean() + 0.1 * (x["old_log_prob"] - x["log_prob"]).mean())
    assert sorted(part.family for part in parts) == ["kl", "policy"]


def test_k3_stays_whole_beside_a_policy_term():
    def loss(x):
        log_ratio = x["log_prob"] - x["old_log_prob"]
        return (-surrogate(x) + 0.1 * (log_ratio.exp() - 1 - log_ratio)).mean()

    _, _, _, parts = parts_of(loss)
    assert sorted(part.family for part in parts) == ["kl", "policy"]


def test_a_term_that_is_switched_off_keeps_its_sign():
    _, _, _, parts = parts_of(lambda x: -surrogate(x).mean() + 0.0 * -x["entropy"].mean())
    entropy = next(part for part in parts if part.family == "entropy")
    assert (entropy.coefficient, entropy.probe) == (0.0, -1.0)
