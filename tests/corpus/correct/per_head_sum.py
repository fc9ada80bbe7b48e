"""MultiDiscrete actions: log-probs and entropies arrive per head [N, D] and are summed before anything else."""

import torch


def loss(head_log_probs, old_head_log_probs, advantages, head_entropies, ppo_clip=0.2, ent_coef=0.01):
    """`head_*` have shape [N, D], `advantages` [N]."""
    log_prob = head_log_probs.sum(dim=-1)
    old_log_prob = old_head_log_probs.sum(dim=-1)
    ratio = torch.exp(log_prob - old_log_prob)
    lower, upper = 1.0 - ppo_clip, 1.0 + ppo_clip
    surrogate = torch.minimum(ratio * advantages, ratio.clamp(lower, upper) * advantages)
    entropy = head_entropies.sum(dim=-1)
    return -(surrogate + ent_coef * entropy).mean()
