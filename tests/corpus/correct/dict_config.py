"""Settings in a plain dict laid over module defaults, as scripts configured by YAML do."""

import torch

DEFAULTS = {"eps_clip": 0.2, "vf_coef": 0.5, "ent_coef": 0.01, "norm_adv": True}


def loss(logprobs, old_logprobs, advantages, state_values, rewards_to_go, dist_entropy, cfg=None):
    cfg = {**DEFAULTS, **(cfg or {})}
    if cfg["norm_adv"]:
        centred = advantages - advantages.mean()
        advantages = centred / (centred.std(unbiased=False) + 1e-7)

    ratios = torch.exp(logprobs - old_logprobs)
    surr1 = ratios * advantages
    surr2 = torch.clamp(ratios, 1 - cfg["eps_clip"], 1 + cfg["eps_clip"]) * advantages
    per_sample = -torch.min(surr1, surr2)
    per_sample = per_sample + cfg["vf_coef"] * (state_values - rewards_to_go) ** 2
    per_sample = per_sample - cfg["ent_coef"] * dist_entropy
    return per_sample.mean()
