"""GSPO (Zheng et al. 2025): one length-normalised ratio per sequence, with token gradients spread over its tokens."""

import torch


def loss(log_probs, old_log_probs, advantages, response_mask, clip_ratio_low=3e-4, clip_ratio_high=4e-4):
    lengths = response_mask.sum(dim=-1).clamp(min=1)
    log_ratio = log_probs - old_log_probs
    mean_log_ratio = (log_ratio * response_mask).sum(dim=-1) / lengths
    sequence_ratio = torch.exp(torch.clamp(mean_log_ratio, max=10.0))
    clipped = sequence_ratio.clamp(1 - clip_ratio_low, 1 + clip_ratio_high)
    sequence_loss = torch.max(-advantages * sequence_ratio, -advantages * clipped)
    return sequence_loss.mean()
