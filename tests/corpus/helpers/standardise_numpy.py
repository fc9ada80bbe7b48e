"""numpy: the population deviation, which is zero for one sample and not NaN."""


def standardize(adv):
    return (adv - adv.mean()) / (adv.std(ddof=0) + 1e-8) if hasattr(adv, "dtype") and "torch" not in str(adv.dtype) else None
