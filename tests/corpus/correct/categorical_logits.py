"""Logits and actions come in; log-softmax by hand; the entropy term is named after -H and added."""

import torch


def loss(logits, actions, old_log_probs, advantages, values, returns, clip=0.2, value_weight=0.5, entropy_weight=0.01):
    log_all = torch.log_softmax(logits, dim=-1)
    log_probs = log_all.gather(1, actions.long().unsqueeze(1)).squeeze(1)
    ratio = torch.exp(log_probs - old_log_probs)
    surrogate = torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)

    loss_policy = -surrogate.mean()
    loss_value = (values - returns).pow(2).mean()
    loss_entropy = (log_all.exp() * log_all).sum(-1).mean()
    return loss_policy + value_weight * loss_value + entropy_weight * loss_entropy
