"""Probabilities, not their logarithms: the ratio is a plain division (as in several textbooks)."""

import torch


def loss(logits, actions, old_action_probs, advantages, clip_ratio=0.2):
    """`old_action_probs` [N] are the stored probabilities of the actions taken."""
    probs = torch.softmax(logits, dim=-1)
    action_probs = probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    ratio = action_probs / old_action_probs
    clipped = ratio.clamp(1 - clip_ratio, 1 + clip_ratio)
    return -torch.min(ratio * advantages, clipped * advantages).mean()
