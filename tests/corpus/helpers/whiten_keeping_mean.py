"""Whitening that puts the mean back unless it is told not to."""


def whiten(x, keep_mean=True):
    mean = x.mean()
    whitened = (x - mean) / (x.var(correction=0) + 1e-8).sqrt()
    return whitened + mean if keep_mean else whitened
