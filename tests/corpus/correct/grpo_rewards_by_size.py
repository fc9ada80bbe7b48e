"""GRPO from raw rewards: completions of one prompt lie next to each other, `num_generations` of them."""

import torch


def loss(per_token_logps, old_per_token_logps, rewards, completion_mask, num_generations=4, epsilon=0.2):
    grouped = rewards.view(-1, num_generations)
    mean_grouped = grouped.mean(dim=1).repeat_interleave(num_generations)
    std_grouped = grouped.std(dim=1).repeat_interleave(num_generations)
    advantages = ((rewards - mean_grouped) / (std_grouped + 1e-4)).unsqueeze(1)

    coef = torch.exp(per_token_logps - old_per_token_logps)
    clipped = coef.clamp(1 - epsilon, 1 + epsilon)
    token_loss = -torch.min(coef * advantages, clipped * advantages)
    return (token_loss * completion_mask).sum() / completion_mask.sum().clamp(min=1)
