"""A clip range in proportion to the target over the KL, told a tensor."""


def adjust_clip_range(clip_range, approx_kl, desired_kl=0.02):
    factor = (desired_kl / (approx_kl + 1e-8)).clamp(0.5, 2.0).item()
    return min(max(clip_range * factor, 0.05), 0.4)
