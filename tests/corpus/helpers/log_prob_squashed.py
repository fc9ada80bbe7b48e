"""The log-prob of a squashed action: of the Gaussian one before it, less the log-determinant of tanh."""

import torch


def squashed_logprob(action, mu, sigma):
    raw = torch.atanh(action.clamp(-1 + 1e-6, 1 - 1e-6))
    gaussian = torch.distributions.Normal(mu, sigma).log_prob(raw)
    correction = torch.log(1 - action.pow(2) + 1e-6)
    return (gaussian - correction).sum(dim=-1, keepdim=True)
