"""GRPO's reduction: a mean over the tokens of each response, then over responses; a boolean mask."""

import torch


def aggregate(per_token_loss, completion_mask):
    kept = torch.where(completion_mask.bool(), per_token_loss, torch.zeros_like(per_token_loss))
    lengths = completion_mask.sum(-1).clamp(min=1)
    return (kept.sum(-1) / lengths).mean()
