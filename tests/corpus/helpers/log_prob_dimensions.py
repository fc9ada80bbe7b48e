"""Log-probs of each action dimension; whoever calls this adds them up."""

import torch


def log_prob(mean, std, actions):
    return torch.distributions.Normal(mean, std).log_prob(actions)
