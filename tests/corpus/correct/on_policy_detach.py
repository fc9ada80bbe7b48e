"""TRL with one update per batch: the old log-probs are the new ones, detached, so the ratio is 1 and alive."""

import torch


def loss(per_token_logps, ref_per_token_logps, advantages, completion_mask, beta=0.04):
    coef = torch.exp(per_token_logps - per_token_logps.detach())
    per_token_loss = -coef * advantages.unsqueeze(1)
    log_ratio = ref_per_token_logps - per_token_logps
    per_token_kl = torch.expm1(log_ratio) - log_ratio
    per_token_loss = per_token_loss + beta * per_token_kl
    return (per_token_loss * completion_mask).sum() / completion_mask.sum().clamp(min=1.0)
