"""PPO with a KL penalty instead of a clip; both Gaussians are at hand, so KL(old || new) is exact."""

import torch
from torch.distributions import Normal


def gaussian_kl(mean_p, log_std_p, mean_q, log_std_q):
    var_p, var_q = (2 * log_std_p).exp(), (2 * log_std_q).exp()
    per_dim = log_std_q - log_std_p + (var_p + (mean_p - mean_q) ** 2) / (2 * var_q) - 0.5
    return per_dim.sum(-1)


def loss(means, log_stds, old_means, old_log_stds, actions, advantages, kl_beta=1.0):
    log_prob = Normal(means, log_stds.exp()).log_prob(actions).sum(-1)
    old_log_prob = Normal(old_means, old_log_stds.exp()).log_prob(actions).sum(-1)
    ratio = torch.exp(log_prob - old_log_prob)
    kl = gaussian_kl(old_means, old_log_stds, means, log_stds)
    return (-ratio * advantages + kl_beta * kl).mean()
