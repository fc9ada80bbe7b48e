"""The rule of the paper as a function, within bounds."""


def update_kl_coef(kl, target, kl_coef):
    if kl > 1.5 * target:
        kl_coef = kl_coef * 2
    elif kl < target / 1.5:
        kl_coef = kl_coef / 2
    return min(max(kl_coef, 1e-4), 10.0)
