"""The share of ratios outside two bounds of their own, in arrays."""

import numpy as np


def compute_clipfrac(ratio, eps_low=0.2, eps_high=0.28):
    outside = np.logical_or(ratio < 1 - eps_low, ratio > 1 + eps_high)
    return float(outside.mean())
