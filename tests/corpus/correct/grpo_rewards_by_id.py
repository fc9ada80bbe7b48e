"""GRPO where groups differ in size: prompt ids say which rewards belong together, a group of one gets advantage 0."""

import torch


def group_advantages(rewards, group_ids):
    advantages = torch.zeros_like(rewards)
    for group in group_ids.unique():
        chosen = group_ids == group
        spread = rewards[chosen].std(unbiased=False)
        advantages[chosen] = (rewards[chosen] - rewards[chosen].mean()) / (spread + 1e-4)
    return advantages


def loss(log_probs, old_log_probs, rewards, group_ids, response_mask, clip_low=0.2, clip_high=0.28):
    adv = group_advantages(rewards, group_ids).unsqueeze(-1)
    ratio = torch.exp(log_probs - old_log_probs)
    token_loss = torch.max(-adv * ratio, -adv * ratio.clamp(1 - clip_low, 1 + clip_high))
    per_sequence = (token_loss * response_mask).sum(-1) / response_mask.sum(-1).clamp(min=1)
    return per_sequence.mean()
