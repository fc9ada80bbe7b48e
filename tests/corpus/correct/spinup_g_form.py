"""Spinning Up's manner: one dict of data, the clip written as a bound (1 +- eps) A on the objective."""

import torch


def loss(data, clip_ratio=0.2):
    logp, logp_old, adv = data["logp"], data["logp_old"], data["adv"]
    ratio = torch.exp(logp - logp_old)
    bound = torch.where(adv >= 0, (1 + clip_ratio) * adv, (1 - clip_ratio) * adv)
    loss_pi = -(torch.min(ratio * adv, bound)).mean()

    with torch.no_grad():
        approx_kl = (logp_old - logp).mean()
        outside = ratio.gt(1 + clip_ratio) | ratio.lt(1 - clip_ratio)
        info = {"kl": approx_kl, "cf": outside.float().mean()}
    return loss_pi, info
