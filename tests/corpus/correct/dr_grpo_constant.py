"""Dr. GRPO (Liu et al. 2025): tokens are summed and divided by a constant length, never by the response's own."""

import torch


def loss(new_logprobs, old_logprobs, advantages, loss_mask, clip_eps=0.2, max_completion_length=16):
    ratio = (new_logprobs - old_logprobs).exp()
    weights = advantages[:, None]
    surrogate = torch.min(ratio * weights, ratio.clamp(1 - clip_eps, 1 + clip_eps) * weights)
    surrogate = surrogate.masked_fill(loss_mask == 0, 0.0)
    batch_size = new_logprobs.shape[0]
    return -surrogate.sum() / (batch_size * max_completion_length)
