"""Negative log-probs by cross entropy, as the first PPO had them."""

from torch.nn.functional import cross_entropy


def neglogp(logits, actions):
    return cross_entropy(logits, actions, reduction="none")
