"""Whitening over valid tokens, the variance floored under the root, padding zero again."""

import torch


def masked_whiten(values, mask):
    count = mask.sum().clamp(min=1)
    mean = (values * mask).sum() / count
    variance = (((values - mean) ** 2) * mask).sum() / count
    return (values - mean) * torch.rsqrt(variance + 1e-8) * mask
