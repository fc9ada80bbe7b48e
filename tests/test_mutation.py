"""Generated faults are one edit each, drawn from a seed, and compared with their base before they count."""

import pytest

from ppo_audit import audit
from tests.corpus import mutation
from tests.corpus.mutation import Mutant


def mutant_of(base: str, line: int, old: str, new: str) -> Mutant:
    text = next(each.path for each in mutation.CORRECT if each.name == base).read_text()
    return Mutant(base, "by hand", True, (), line, text.splitlines()[line - 1].index(old), old, new)


@pytest.fixture(scope="module")
def sample():
    return mutation.sample()


def test_the_sample_is_large_of_many_operators_and_of_nearly_every_loss(sample):
    faults = [each for each in sample if each.is_fault]
    assert len(faults) >= 250
    assert len({each.operator for each in faults}) >= 40
    assert len({each.base for each in sample}) >= 50


def test_a_mutant_differs_from_its_base_in_one_line(sample):
    for each in sample:
        before = next(base.path for base in mutation.CORRECT if base.name == each.base).read_text().splitlines()
        after = mutation.source_of(each).splitlines()
        assert [n for n, (a, b) in enumerate(zip(before, after, strict=True), 1) if a != b] == [each.line], each.name


def test_no_operator_is_both_a_fault_and_a_design():
    names = [{operator.name for operator in operators} for operators in (mutation.FAULTS, mutation.DESIGNS)]
    assert not names[0] & names[1]


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("torch.min(surr1, surr2)", "torch.max(surr1, surr2)", "differs"),
        ("torch.min(surr1, surr2)", "torch.min(surr2, surr1)", "equivalent"),
        ("surr2)", "surr3)", "stillborn"),
        ("mean()", "mean().detach()", "differs"),
    ],
)
def test_the_comparison_with_the_base_tells_what_a_mutant_is(old, new, verdict):
    assert mutation.prove(mutant_of("plain_min", 10, old, new)).verdict == verdict


def test_a_ratio_of_the_old_policy_alone_is_audited_to_the_end(tmp_path):
    dead = mutant_of("log_ratio_clamp", 7, "cur_logp - old_logp", "old_logp - old_logp")
    (target,) = audit(f"{mutation.write(dead, tmp_path)}:loss").targets
    assert target.outcomes
