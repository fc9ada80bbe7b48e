"""Typed all through: a dataclass batch, a frozen config with defaults, a dataclass of results."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class PPOConfig:
    clip_param: float = 0.2
    vf_clip_param: float = 0.5
    vf_loss_coeff: float = 0.5
    entropy_coeff: float = 0.003


@dataclass
class MiniBatch:
    log_probs: torch.Tensor
    old_log_probs: torch.Tensor
    advantages: torch.Tensor
    values: torch.Tensor
    old_values: torch.Tensor
    returns: torch.Tensor
    entropy: torch.Tensor


@dataclass
class LossOutput:
    loss: torch.Tensor
    policy_loss: torch.Tensor
    value_loss: torch.Tensor
    clip_fraction: torch.Tensor


def loss(batch: MiniBatch, config: PPOConfig = PPOConfig()) -> LossOutput:
    ratio = (batch.log_probs - batch.old_log_probs).exp()
    clipped_ratio = ratio.clamp(1 - config.clip_param, 1 + config.clip_param)
    objective = torch.min(ratio * batch.advantages, clipped_ratio * batch.advantages)
    policy_loss = -objective.mean()

    delta = batch.values - batch.old_values
    clipped_values = batch.old_values + delta.clamp(-config.vf_clip_param, config.vf_clip_param)
    squared = (batch.values - batch.returns).pow(2)
    squared_clipped = (clipped_values - batch.returns).pow(2)
    value_loss = torch.maximum(squared, squared_clipped).mean()

    total = policy_loss + config.vf_loss_coeff * value_loss - config.entropy_coeff * batch.entropy.mean()
    clip_fraction = ((ratio - 1).abs() > config.clip_param).float().mean()
    return LossOutput(total, policy_loss.detach(), value_loss.detach(), clip_fraction.detach())
