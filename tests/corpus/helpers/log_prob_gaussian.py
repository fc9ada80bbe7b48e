"""The log-density of a diagonal Gaussian, written out."""

import math


def gaussian_log_prob(mean, log_std, actions):
    z = (actions - mean) / log_std.exp()
    per_dimension = -0.5 * z**2 - log_std - 0.5 * math.log(2 * math.pi)
    return per_dimension.sum(-1)
