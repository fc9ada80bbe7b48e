"""CISPO (MiniMax-M1): the importance weight is capped and detached, so that every token keeps its gradient."""

import torch


def loss(logprobs, old_logprobs, advantages, loss_mask, epsilon_high=5.0):
    weight = torch.exp(logprobs - old_logprobs).clamp(max=epsilon_high).detach()
    token_loss = -weight * advantages * logprobs
    valid = loss_mask.to(token_loss.dtype)
    return torch.sum(token_loss * valid) / valid.sum().clamp(min=1.0)
