"""One dict in, loss and a dict of metrics out; the value loss has a Huber form (RLlib-like scripts)."""

import torch
import torch.nn.functional as F


def loss(batch, clip_range=0.2, value_coef=0.5, entropy_coef=0.01, huber_delta=1.0):
    log_ratio = batch["log_probs"] - batch["old_log_probs"]
    ratio = log_ratio.exp()
    advantages = batch["advantages"]
    unclipped = ratio * advantages
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range) * advantages
    policy_loss = torch.min(unclipped, clipped).mean().neg()

    value_loss = F.huber_loss(batch["values"], batch["returns"], delta=huber_delta)
    entropy = batch["entropy"].mean()
    total = policy_loss + value_coef * value_loss - entropy_coef * entropy

    with torch.no_grad():
        metrics = {
            "policy_loss": policy_loss.clone(),
            "value_loss": value_loss.clone(),
            "entropy": entropy.clone(),
            "approx_kl": (ratio - 1 - log_ratio).mean(),
            "clip_fraction": ((ratio - 1).abs() > clip_range).float().mean(),
        }
    return total, metrics
