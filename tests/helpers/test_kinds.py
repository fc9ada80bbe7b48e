"""What a function alone is taken for: by its roles and by what it does, never by its name only."""

from pathlib import Path

import pytest

from ppo_audit import audit
from ppo_audit.findings import TargetReport

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
