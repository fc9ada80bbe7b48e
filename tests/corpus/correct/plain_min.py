"""The textbook form: minus the mean of the elementwise minimum (Schulman et al. 2017, eq. 7)."""

import torch


def loss(logp, old_logp, adv, clip=0.2):
    ratio = torch.exp(logp - old_logp)
    surr1 = ratio * adv
    surr2 = torch.clamp(ratio, 1.0 - clip, 1.0 + clip) * adv
    return -torch.min(surr1, surr2).mean()
