"""DAPO (Yu et al. 2025): the upper bound is wider than the lower; every token of the batch weighs the same."""

import torch


def loss(logps, old_logps, advantages, token_mask, eps_low=0.2, eps_high=0.28):
    """`token_mask` is boolean, True where a token was generated; `advantages` has one entry per token."""
    logps, old_logps, advantages = logps[token_mask], old_logps[token_mask], advantages[token_mask]
    ratio = torch.exp(logps - old_logps)
    banded = ratio.clamp(min=1.0 - eps_low, max=1.0 + eps_high)
    token_loss = -torch.min(ratio * advantages, banded * advantages)
    return token_loss.sum() / max(token_loss.numel(), 1)
