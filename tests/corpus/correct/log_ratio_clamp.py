"""The log-ratio is held within +-20 before exp, as many LLM trainers do; two coefficients and a k2 penalty."""

import torch


def loss(cur_logp, old_logp, advantages, entropy, pg_clip=0.2, ent_coef=0.01, kl_coef=0.1):
    log_ratio = (cur_logp - old_logp).clamp(min=-20.0, max=20.0)
    ratio = log_ratio.exp()
    unclipped = ratio * advantages
    clipped = ratio.clamp(1 - pg_clip, 1 + pg_clip) * advantages
    actor_loss = -torch.minimum(unclipped, clipped).mean()
    approx_kl = 0.5 * (cur_logp - old_logp).square().mean()
    return actor_loss + kl_coef * approx_kl - ent_coef * entropy.mean()
