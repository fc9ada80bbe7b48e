"""The entropy of a diagonal Gaussian, summed over dimensions."""

import math


def entropy(log_std):
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)
