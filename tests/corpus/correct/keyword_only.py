"""Everything by keyword; the critic is trained with smooth L1, as torchrl does by default."""

import torch
import torch.nn.functional as F


def loss(*, logp_new, logp_old, advantage, v_pred, v_target, entropy, epsilon=0.2, c1=1.0, c2=0.01):
    ratio = torch.exp(logp_new - logp_old)
    gain = ratio * advantage
    gain_clipped = torch.clip(ratio, 1 - epsilon, 1 + epsilon) * advantage
    actor = -torch.minimum(gain, gain_clipped).mean()
    critic = F.smooth_l1_loss(v_pred, v_target)
    return actor + c1 * critic - c2 * entropy.mean()
