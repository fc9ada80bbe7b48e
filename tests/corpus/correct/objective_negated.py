"""The paper's sign: an objective is built up to be maximised, and its negative is what the optimiser gets."""

import torch


def loss(log_pi, log_pi_old, A, V, V_targ, H, eps=0.2, c1=0.5, c2=0.01):
    r = torch.exp(log_pi - log_pi_old)
    L_clip = torch.min(r * A, torch.clamp(r, 1 - eps, 1 + eps) * A)
    L_vf = (V - V_targ) ** 2
    objective = (L_clip - c1 * L_vf + c2 * H).mean()
    return -objective
