"""What is measured once an update, on the whole rollout: how far the policy has moved, and how episodes ended."""

from __future__ import annotations

import math

import numpy as np
import torch

from ppo_audit.reference.kl import k3
from ppo_audit.reference.surrogates import clip_fraction, ratio
from ppo_audit.reference.trainers.rollout import policy_parameters
from ppo_audit.reference.trainers.samples import Samples
from ppo_audit.reference.trainers.trainer import Metrics, Trainer


@torch.no_grad()
def policy_change(trainer: Trainer, samples: Samples, clip_range: float) -> Metrics:
    """The new policy against the old one: exact and estimated KL, ratios, entropy."""
    parameters = policy_parameters(trainer.network, samples.observation, samples.action_mask)
    log_prob = trainer.family.log_prob(parameters, samples.action)
    r = ratio(log_prob, samples.log_prob_old)
    exact = trainer.family.kl(samples.parameters_old, parameters).mean().item()
    approximate = k3(samples.log_prob_old, log_prob).mean().item()
    return {
        "kl": exact,
        "approx_kl": approximate,
        "kl_difference": approximate - exact,
        "clip_fraction": clip_fraction(r, clip_range, torch.ones_like(r, dtype=torch.bool)).item(),
        "ratio_min": r.min().item(),
        "ratio_max": r.max().item(),
        "nonfinite_ratios": float((~r.isfinite()).sum().item()),
        "entropy": trainer.family.entropy(parameters).mean().item(),
    }


def returns_of_episodes(trainer: Trainer) -> Metrics:
    """The mean return and length of the recent episodes; NaN before the first one ends."""
    collector = trainer.collector
    returns, lengths = (np.array([episode[i] for episode in collector.finished]) for i in (0, 1))
    if not len(returns):
        return {"return": math.nan, "length": math.nan, "episodes": 0.0}
    return {"return": float(returns.mean()), "length": float(lengths.mean()), "episodes": float(collector.episodes)}
