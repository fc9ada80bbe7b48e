"""tianshou's manner: optional dual clip inside an if, value clip with eps_clip and no half."""

import torch


def loss(logp, logp_old, adv, value, v_s, returns, ent, eps_clip=0.2, dual_clip=5.0, vf_coef=0.5, ent_coef=0.01):
    ratios = (logp - logp_old).exp()
    surr1 = ratios * adv
    surr2 = ratios.clamp(1.0 - eps_clip, 1.0 + eps_clip) * adv
    clip1 = torch.min(surr1, surr2)
    if dual_clip:
        clip2 = torch.max(clip1, dual_clip * adv)
        clip_loss = -torch.where(adv < 0, clip2, clip1).mean()
    else:
        clip_loss = -clip1.mean()

    v_clip = v_s + (value - v_s).clamp(-eps_clip, eps_clip)
    vf1 = (returns - value).pow(2)
    vf2 = (returns - v_clip).pow(2)
    vf_loss = torch.max(vf1, vf2).mean()
    return clip_loss + vf_coef * vf_loss - ent_coef * ent.mean()
