"""TRL's first GRPO loss: one advantage per completion, k3 to the reference, mean per sequence, then over sequences."""

import torch


def loss(
    per_token_logps,
    old_per_token_logps,
    ref_per_token_logps,
    advantages,
    completion_mask,
    epsilon=0.2,
    beta=0.04,
):
    delta = ref_per_token_logps - per_token_logps
    per_token_kl = torch.exp(delta) - delta - 1

    coef_1 = torch.exp(per_token_logps - old_per_token_logps)
    coef_2 = torch.clamp(coef_1, 1 - epsilon, 1 + epsilon)
    per_token_loss1 = coef_1 * advantages.unsqueeze(1)
    per_token_loss2 = coef_2 * advantages.unsqueeze(1)
    per_token_loss = -torch.min(per_token_loss1, per_token_loss2)
    per_token_loss = per_token_loss + beta * per_token_kl

    lengths = completion_mask.sum(-1).clamp(min=1.0)
    return ((per_token_loss * completion_mask).sum(-1) / lengths).mean()
