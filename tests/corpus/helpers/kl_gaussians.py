"""The exact divergence of two diagonal Gaussians, summed over dimensions."""


def gaussian_kl(old_mean, old_log_std, mean, log_std):
    variance_ratio = (2 * (old_log_std - log_std)).exp()
    distance = ((old_mean - mean) / log_std.exp()) ** 2
    return (log_std - old_log_std + 0.5 * (variance_ratio + distance - 1)).sum(-1)
