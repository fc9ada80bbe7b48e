"""What may belong in place of an expression, read from the source and written so that it means what it says."""

from __future__ import annotations

import pytest

from ppo_audit.repair.change import applied
from ppo_audit.repair.slips import GENERAL, LIKELY, arithmetic, calls, forms, names, shapes, slips
from ppo_audit.repair.source import Source
from ppo_audit.rules import catalogue

HEAD = "def loss(log_prob, old_log_prob, advantages, values, old_values, mask, clip_range, vf_coef):\n"


def undone(slip, line: str) -> list[str]:
    """The line with the slip undone at each of its expressions."""
    source = Source("loss.py", f"{HEAD}    {line}\n")
    spots = [spot for statement in source.statements(2) for spot in source.spots(statement)]
    edited = [applied(source.text, [spot.put(text)]) for spot in spots for text in slip(spot)]
    return [text.splitlines()[1].strip() for text in edited]


@pytest.mark.parametrize(
    ("slip", "line", "expected"),
    [
        (calls.extrema, "x = torch.max(a, b).mean()  # kept", "x = torch.min(a, b).mean()  # kept"),
        (calls.functions, "x = a.var(correction=0)", "x = a.std(correction=0)"),
        (calls.reductions, "x = a.sum()", "x = a.mean()"),
        (calls.unwrapped, "x = a.roll(1) * b", "x = a * b"),
        (calls.detached, "x = a * values", "x = a * values.detach()"),
        (calls.copies, "x = a.mul_(b)", "x = a.mul(b)"),
        (calls.branches, "x = torch.where(c, a, b)", "x = torch.where(c, b, a)"),
        (arithmetic.signs, "x = a + b * c", "x = a - b * c"),
        (arithmetic.signs, "x = -a", "x = a"),
        (arithmetic.swapped, "x = torch.exp(a - b)", "x = torch.exp(b - a)"),
        (arithmetic.dropped, "x = (a + 0.1) * b", "x = (a) * b"),
        (arithmetic.regrouped, "x = a - b / c", "x = (a - b) / c"),
        (arithmetic.factors, "x = a + b", "x = a + (vf_coef * b)"),
        (names.renamed, "x = (values - a) ** 2", "x = (old_values - a) ** 2"),
        (names.constant, "x = torch.exp(log_prob - a)", "x = torch.exp(old_log_prob - a)"),
        (shapes.masked, "x = a.sum()", "x = (a * mask).sum()"),
        (shapes.positive, "x = a / a.std()", "x = a / (a.std() + 1e-8)"),
        (forms.exponential, "x = a / b", "x = torch.exp(a - b)"),
        (forms.clip_around_one, "x = a.clamp(0.8, 1.2)", "x = a.clamp(1 - clip_range, 1 + clip_range)"),
        (forms.factor_inside, "x = torch.min(r, c) * A", "x = torch.min(r * A, c * A)"),
    ],
)
def test_a_slip_is_undone(slip, line: str, expected: str):
    assert expected in undone(slip, line)


def test_what_is_assigned_and_called_is_left_alone():
    assert undone(names.renamed, "old_values = torch.exp(1)") == []


def test_an_operand_that_becomes_a_difference_gets_parentheses():
    assert "x = (-a) ** 2" in undone(lambda spot: ["-a"] if spot.text == "a" else [], "x = a ** 2")


def test_every_slip_named_for_a_rule_is_one_of_an_existing_rule():
    assert set(LIKELY) <= set(catalogue())


def test_each_slip_is_tried_once_and_that_of_the_intervention_first():
    kinds = [*slips("PPO102", "With `minimum` in place of `max`, the violation is gone.")]
    assert kinds[0] is calls.extrema
    assert len(kinds) == len(set(kinds))
    assert set(GENERAL) <= set(kinds)


def test_an_empty_tuple_is_its_parentheses():
    source = Source("loss.py", f"{HEAD}    shape = ()\n")
    assert [spot.text for spot in source.spots(source.statements(2)[0])] == ["()"]
