"""The value target is advantage plus old value, made from the raw advantages before they are normalised."""

import torch


def loss(log_probs, old_log_probs, advantages, values, old_values, clip_eps=0.2, critic_coef=0.5):
    targets = advantages + old_values
    scaled = (advantages - advantages.mean()) / (advantages.std(unbiased=False) + 1e-8)
    ratios = torch.exp(log_probs - old_log_probs)
    clipped = ratios.clamp(1 - clip_eps, 1 + clip_eps)
    actor_loss = -torch.min(ratios * scaled, clipped * scaled).mean()
    critic_loss = (values - targets).pow(2).mean()
    return actor_loss + critic_coef * critic_loss
