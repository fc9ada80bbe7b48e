"""verl's switchable aggregation: the token losses are reduced in the way that a string names."""

import torch


def agg_loss(loss_mat, loss_mask, loss_agg_mode):
    lengths = loss_mask.sum(dim=-1)
    if loss_agg_mode == "token-mean":
        return (loss_mat * loss_mask).sum() / loss_mask.sum().clamp(min=1)
    token_sums = (loss_mat * loss_mask).sum(dim=-1)
    if loss_agg_mode == "seq-mean-token-sum":
        return token_sums.mean()
    if loss_agg_mode == "seq-mean-token-mean":
        return (token_sums / lengths.clamp(min=1)).mean()
    raise ValueError(f"unknown loss_agg_mode {loss_agg_mode!r}")


def loss(old_log_prob, log_prob, advantages, response_mask, clip_ratio=0.2, loss_agg_mode="seq-mean-token-mean"):
    ratio = torch.exp(log_prob - old_log_prob)
    pg_losses1 = -advantages * ratio
    pg_losses2 = -advantages * torch.clamp(ratio, 1 - clip_ratio, 1 + clip_ratio)
    return agg_loss(torch.maximum(pg_losses1, pg_losses2), response_mask, loss_agg_mode)
