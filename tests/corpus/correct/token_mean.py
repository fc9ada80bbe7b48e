"""verl's manner: old log-probs first, a response mask, one mean over all valid tokens, metrics beside the loss."""

import torch


def masked_mean(values, mask):
    return (values * mask).sum() / (mask.sum() + 1e-8)


def loss(old_log_prob, log_prob, advantages, response_mask, cliprange=0.2):
    negative_approx_kl = log_prob - old_log_prob
    ratio = torch.exp(negative_approx_kl)
    ppo_kl = masked_mean(-negative_approx_kl, response_mask)

    pg_losses1 = -advantages * ratio
    pg_losses2 = -advantages * torch.clamp(ratio, 1 - cliprange, 1 + cliprange)
    pg_losses = torch.maximum(pg_losses1, pg_losses2)
    pg_loss = masked_mean(pg_losses, response_mask)
    pg_clipfrac = masked_mean((pg_losses2 > pg_losses1).float(), response_mask)
    return pg_loss, pg_clipfrac.detach(), ppo_kl.detach()
