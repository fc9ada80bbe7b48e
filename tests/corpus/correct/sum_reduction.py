"""Every term is a sum over the minibatch; the caller divides by the size of the whole update."""

import torch
import torch.nn.functional as F


def loss(logp_a, logp_a_old, gae, v, ret, ent, clip_rate=0.2, vf_coef=0.5, ent_coef=0.01):
    rho = (logp_a - logp_a_old).exp()
    rho_clipped = rho.clamp(1.0 - clip_rate, 1.0 + clip_rate)
    pi_loss = -torch.where(rho * gae < rho_clipped * gae, rho * gae, rho_clipped * gae).sum()
    v_loss = F.mse_loss(v, ret, reduction="sum")
    return pi_loss + vf_coef * v_loss - ent_coef * ent.sum()
