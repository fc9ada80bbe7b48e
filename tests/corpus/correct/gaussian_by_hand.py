"""A diagonal Gaussian written out: log-density and entropy are summed over the action dimensions."""

import math

import torch

LOG_2PI = math.log(2 * math.pi)


def gaussian_log_prob(actions, means, log_stds):
    z = (actions - means) * torch.exp(-log_stds)
    return -(0.5 * z.pow(2) + log_stds + 0.5 * LOG_2PI).sum(-1)


def gaussian_entropy(log_stds):
    return (log_stds + 0.5 * (1 + LOG_2PI)).sum(-1)


def loss(means, log_stds, actions, old_log_prob, advantages, clip_eps=0.2, ent_coef=0.005):
    log_prob = gaussian_log_prob(actions, means, log_stds)
    ratio = torch.exp(log_prob - old_log_prob)
    clipped = torch.clamp(ratio, 1 - clip_eps, 1 + clip_eps)
    policy_loss = torch.max(-ratio * advantages, -clipped * advantages).mean()
    return policy_loss - ent_coef * gaussian_entropy(log_stds).mean()
