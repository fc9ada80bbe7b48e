"""torchrl's manner: log-weights are clamped with log1p bounds and only then turned into ratios."""

import math

import torch


def loss(log_prob, sample_log_prob, advantage, entropy, clip_epsilon=0.2, entropy_coeff=0.01):
    log_weight = log_prob - sample_log_prob
    low, high = math.log1p(-clip_epsilon), math.log1p(clip_epsilon)
    gain = log_weight.exp() * advantage
    gain_clipped = log_weight.clamp(low, high).exp() * advantage
    loss_objective = -torch.stack([gain, gain_clipped], -1).min(dim=-1).values.mean()
    loss_entropy = -entropy_coeff * entropy.mean()
    return loss_objective + loss_entropy
