"""The paper's second algorithm on log-probs alone: ratio times advantage, k3 of old to new, coefficient given."""

import torch


def loss(log_prob, old_log_prob, advantages, values, returns, kl_coef=0.2, vf_coef=0.5):
    log_ratio = log_prob - old_log_prob
    ratio = log_ratio.exp()
    kl = (ratio - 1) - log_ratio
    policy_loss = (-ratio * advantages + kl_coef * kl).mean()
    value_loss = torch.mean((values - returns) ** 2)
    return policy_loss + vf_coef * value_loss, kl.mean().detach()
