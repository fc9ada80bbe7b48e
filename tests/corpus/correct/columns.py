"""ikostrikov's manner: every tensor is an [N, 1] column from beginning to end."""

import torch


def loss(
    action_log_probs,
    old_action_log_probs_batch,
    adv_targ,
    values,
    value_preds_batch,
    return_batch,
    dist_entropy,
    clip_param=0.2,
    value_loss_coef=0.5,
    entropy_coef=0.01,
):
    """All arguments have shape [N, 1]."""
    ratio = torch.exp(action_log_probs - old_action_log_probs_batch)
    surr1 = ratio * adv_targ
    surr2 = torch.clamp(ratio, 1.0 - clip_param, 1.0 + clip_param) * adv_targ
    action_loss = -torch.min(surr1, surr2).mean()

    value_pred_clipped = value_preds_batch + (values - value_preds_batch).clamp(-clip_param, clip_param)
    value_losses = (values - return_batch).pow(2)
    value_losses_clipped = (value_pred_clipped - return_batch).pow(2)
    value_loss = 0.5 * torch.max(value_losses, value_losses_clipped).mean()

    return value_loss * value_loss_coef + action_loss - dist_entropy.mean() * entropy_coef
