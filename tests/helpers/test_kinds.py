"""What a function alone is taken for: by its roles and by what it does, never by its name only."""

from pathlib import Path

import pytest

from ppo_audit import audit
from ppo_audit.findings import Severity, Status, TargetReport

HEAD = "import torch\nimport torch.nn.functional as F\n\n\n"
FUNCTIONS = {
    "log_prob": (
        "def action_logp(logits, actions):\n    return -F.cross_entropy(logits, actions, reduction='none')",
        "def evaluate(mu, sigma, action):\n    return torch.distributions.Normal(mu, sigma).log_prob(action).sum(-1)",
    ),
    "reduction": (
        "def over_tokens(x, mask):\n    return (x * mask).sum() / mask.sum()",
        "def masked_mean(log_probs, response_mask, dim=-1):\n    return (log_probs * response_mask).sum(dim)",
    ),
    "metric": (
        "def outside(ratio, eps):\n    return ((ratio - 1).abs() > eps).float().mean()",
        "def explained_variance(values, returns):\n    return 1 - (returns - values).var() / returns.var()",
    ),
    "loss": (
        "def cloning(logits, actions):\n    return F.cross_entropy(logits, actions)",
        "def mse(values, returns, mask):\n    return ((values - returns) ** 2 * mask).sum() / mask.sum().clamp(min=1)",
        "def surrogate(log_prob, old_log_prob, advantages, clip):\n    r = (log_prob - old_log_prob).exp()\n"
        "    return -torch.min(r * advantages, r.clamp(1 - clip, 1 + clip) * advantages).mean()",
    ),
    "advantages": ("def whiten(values, mask):\n    return (values - values.mean()) / (values.std() + 1e-8) * mask",),
    "unknown": ("def masked_square(x, mask):\n    return (x**2 * mask).sum() / mask.sum()",),
}
CASES = [(kind, text) for kind, texts in FUNCTIONS.items() for text in texts]


def entry_of(text: str, folder: Path) -> TargetReport:
    name = text.removeprefix("def ").partition("(")[0]
    file = folder / f"{name}.py"
    file.write_text(f"{HEAD}{text}\n")
    return audit(f"{file}:{name}").targets[0]


@pytest.mark.parametrize(("kind", "text"), CASES, ids=[text.split("(")[0][4:] for _, text in CASES])
def test_it_is_taken_for_what_it_is(kind: str, text: str, tmp_path: Path):
    assert entry_of(text, tmp_path).kind == kind


def test_probabilities_are_no_wrong_log_probs(tmp_path: Path):
    entry = entry_of(
        "def chosen(logits, actions):\n    return logits.softmax(-1).gather(-1, actions[:, None])[:, 0]", tmp_path
    )
    assert entry.kind != "log_prob"


def test_an_explained_variance_is_no_loss_so_that_no_rule_judges_it(tmp_path: Path):
    entry = entry_of(FUNCTIONS["metric"][1], tmp_path)
    assert (entry.findings, entry.exit_code) == ((), 5)


def test_a_value_loss_alone_is_named(tmp_path: Path):
    assert entry_of(FUNCTIONS["loss"][1], tmp_path).profile["variant"] == "value loss alone"


HONEST = (
    "def discount_cumsum(x, discount):\n    out = x.copy()\n    for t in range(len(x) - 2, -1, -1):\n"
    "        out[t] = x[t] + discount * out[t + 1]\n    return out",
    "def leave_one_out_advantages(rewards):\n    n, total = len(rewards), sum(rewards)\n"
    "    return [r - (total - r) / (n - 1) for r in rewards]",
    "def group_advantages(rewards, answers_per_question):\n"
    "    grouped = rewards.view(-1, answers_per_question)\n"
    "    return (grouped - grouped.mean(1, keepdim=True)).flatten()",
    "def returns(rewards, gamma):\n    out, after = [], 0\n    for r in reversed(rewards):\n"
    "        after = r + gamma * after\n        out.insert(0, after)\n    out = torch.tensor(out)\n"
    "    return (out - out.mean()) / out.std()",
    "def gae(rewards, values, dones, last_value, gamma=0.99, lam=0.95):\n"
    "    found, after, values = [], 0.0, values + [last_value]\n"
    "    for t in reversed(range(len(rewards))):\n        go = 1.0 - float(dones[t])\n"
    "        after = rewards[t] + gamma * go * values[t + 1] - values[t] + gamma * lam * go * after\n"
    "        found.insert(0, after)\n    found, values = torch.tensor(found), torch.tensor(values[:-1])\n"
    "    return (found - found.mean()) / (found.std() + 1e-8), found + values",
)


@pytest.mark.parametrize("text", HONEST, ids=[text.split("(")[0][4:] for text in HONEST])
def test_an_honest_helper_of_lists_is_judged_and_is_no_fault(text: str, tmp_path: Path):
    entry = entry_of(text, tmp_path)
    assert entry.exit_code == 0
    assert [outcome for outcome in entry.outcomes if outcome.status is Status.PASSED]
    assert not entry.findings or all(finding.severity is Severity.POTENTIAL for finding in entry.findings)
