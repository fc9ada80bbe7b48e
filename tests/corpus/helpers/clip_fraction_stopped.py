"""Not if: only those samples count whose gradient the clip stops."""


def pg_clipfrac(log_ratio, advantages, clip_eps=0.2):
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip_eps, 1 + clip_eps)
    return (clipped * advantages < ratio * advantages).double().mean()
