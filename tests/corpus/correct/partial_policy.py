"""A general surrogate narrowed with functools.partial; the log-ratio is bounded at +-10 before exp."""

from functools import partial

import torch


def surrogate(logp, logp_old, advs, low, high, bound):
    log_ratio = torch.clamp(logp - logp_old, -bound, bound)
    ratio = log_ratio.exp()
    return torch.min(ratio * advs, ratio.clamp(low, high) * advs)


def _loss(logp, logp_old, advs, low, high, bound):
    return -surrogate(logp, logp_old, advs, low, high, bound).mean()


loss = partial(_loss, low=0.8, high=1.2, bound=10.0)
