"""What the strongest peers let pass, or accuse falsely (measured on their releases), is told apart here."""

import pytest

from ppo_audit import audit
from ppo_audit.settings import Settings

HEAD = "import torch\n\n\n"
TOKENS = HEAD + "def loss(logprobs, old_logprobs, advantages, response_mask, clip_range=0.2):\n"
PLAIN = HEAD + "def loss(log_prob, old_log_prob, advantage, clip_range=0.2):\n"
SURROGATE = """    ratio = (logprobs - old_logprobs).exp()
    bounded = ratio.clamp(1 - clip_range, 1 + clip_range)
    each = -torch.min(ratio * advantages, bounded * advantages)
"""
MEAN = "    return (each * response_mask).sum() / response_mask.sum()\n"
FLAT = """    ratio = (log_prob - old_log_prob).exp()
    bounded = ratio.clamp(1 - clip_range, 1 + clip_range)
"""

FAULTS = {
    "NaN on every batch": (TOKENS + SURROGATE + "    return each.mean() * float('nan')\n", "PPO005"),
    "advantages zeroed in place, and 0 returned": (
        TOKENS + "    advantages.zero_()\n    return (logprobs * advantages).sum()\n",
        "PPO003",
    ),
    "the mask overwritten": (TOKENS + "    response_mask.fill_(1)\n" + SURROGATE + MEAN, "PPO003"),
    "the mask ignored": (TOKENS + SURROGATE + "    return each.mean() + 0 * response_mask.sum()\n", "PPO501"),
    "infinite beyond a log-ratio of 5": (
        TOKENS
        + SURROGATE
        + "    each = torch.where((logprobs - old_logprobs).abs() > 5, torch.inf * each, each)\n"
        + MEAN,
        "PPO101",
    ),
    "0/0 where all of a sequence is masked": (
        TOKENS + SURROGATE + "    return ((each * response_mask).sum(-1) / response_mask.sum(-1)).mean()\n",
        "PPO503",
    ),
    "no clip at all": (PLAIN + FLAT + "    return -(ratio * advantage).mean() + 0 * bounded.mean()\n", "PPO102"),
    "the larger of the two": (
        PLAIN + FLAT + "    return -torch.max(ratio * advantage, bounded * advantage).mean()\n",
        "PPO102",
    ),
    "no gradient": (
        PLAIN
        + FLAT
        + "    held = ratio.detach()\n"
        + "    return -torch.min(held * advantage, bounded.detach() * advantage).mean() + 0 * ratio.mean()\n",
        "PPO104",
    ),
    "another gradient": (
        PLAIN + FLAT + "    return torch.min(ratio * advantage, bounded * advantage).mean()\n",
        "PPO104",
    ),
}
HONEST = {
    "1e-8 in the denominator": TOKENS
    + SURROGATE
    + "    return (each * response_mask).sum() / (response_mask.sum() + 1e-8)\n",
    "computed in float32": TOKENS
    + "    logprobs, old_logprobs, advantages = logprobs.float(), old_logprobs.float(), advantages.float()\n"
    + SURROGATE
    + MEAN,
    "one advantage for each sequence": TOKENS + "    advantages = advantages.unsqueeze(-1)\n" + SURROGATE + MEAN,
}


def target_of(folder, text):
    (folder / "candidate.py").write_text(text)
    (target,) = audit(f"{folder / 'candidate.py'}:loss", Settings(trials=0)).targets
    return target


@pytest.mark.parametrize(("text", "rule"), FAULTS.values(), ids=FAULTS)
def test_what_a_peer_lets_pass_is_flagged(tmp_path, text, rule):
    target = target_of(tmp_path, text)
    flagged = {code for finding in target.findings for code in (finding.rule, *finding.also)}
    assert target.error is None
    assert rule in flagged


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST)
def test_what_a_peer_accuses_falsely_is_cleared(tmp_path, text):
    target = target_of(tmp_path, text)
    assert target.error is None
    assert {finding.rule for finding in target.findings if finding.severity <= 1} <= {"PPO101"}
    assert sum(outcome.status == "passed" for outcome in target.outcomes) >= 20


@pytest.mark.parametrize(
    "end", ["-(bounded * advantage).mean().detach()", "-(bounded.detach() * advantage).mean(), advantage.mean()"]
)
def test_a_policy_loss_without_a_gradient_is_a_fault_at_its_root(tmp_path, end):
    target = target_of(tmp_path, PLAIN + FLAT + f"    return {end}\n")
    assert target.exit_code == 1
    assert [finding.rule for finding in target.findings if finding.severity <= 1] == ["PPO104"]
    assert "no gradient at all" in target.findings[0].message
    assert target.findings[0].location is not None


def test_a_number_without_a_graph_that_is_no_policy_loss_is_no_pass_but_a_reason(tmp_path):
    text = HEAD + "def loss(values, returns):\n    return (values - returns).square().mean().detach()\n"
    target = target_of(tmp_path, text)
    assert target.exit_code == 2
    assert "no tensor with a gradient" in target.error
