"""Small named helpers in one file, each doing one term; `loss` only adds them up."""

import torch


def normalise(x, eps=1e-8):
    if x.numel() < 2:
        return x
    return (x - x.mean()) / (x.std() + eps)


def policy_loss(log_probs, log_probs_old, advantages, ratio_clip):
    ratio = torch.exp(log_probs - log_probs_old)
    clipped = torch.clamp(ratio, 1 - ratio_clip, 1 + ratio_clip)
    return -torch.min(ratio * advantages, clipped * advantages).mean()


def value_loss(values, old_values, targets, value_clip):
    clipped = old_values + torch.clamp(values - old_values, -value_clip, value_clip)
    error = (values - targets) ** 2
    error_clipped = (clipped - targets) ** 2
    return torch.max(error, error_clipped).mean()


def entropy_loss(entropy):
    return -entropy.mean()


def loss(
    log_probs,
    log_probs_old,
    advantages,
    values,
    old_values,
    targets,
    entropy,
    ratio_clip=0.2,
    value_clip=1.0,
    vf_coef=0.5,
    ent_coef=0.01,
):
    actor = policy_loss(log_probs, log_probs_old, normalise(advantages), ratio_clip)
    critic = value_loss(values, old_values, targets, value_clip)
    return actor + vf_coef * critic + ent_coef * entropy_loss(entropy)
