"""An older torchrl manner: the ratio is clamped only on the side that the advantage's sign makes profitable."""

import torch


def loss(log_probs, old_log_probs, advantages, values, returns, clip_epsilon=0.2, critic_coeff=1.0):
    ratio = (log_probs - old_log_probs).exp()
    capped = ratio.clamp(max=1 + clip_epsilon)
    floored = ratio.clamp(min=1 - clip_epsilon)
    limited = torch.where(advantages > 0, capped, floored)
    loss_objective = -(limited * advantages).mean()
    loss_critic = critic_coeff * (values - returns).square().mean()
    return loss_objective + loss_critic
