"""torch.distributions does the work: a Categorical over logits gives log-prob and entropy (PPO-PyTorch's manner)."""

import torch
from torch.distributions import Categorical


def loss(logits, actions, old_logprobs, advantages, state_values, returns, eps_clip=0.2):
    dist = Categorical(logits=logits)
    logprobs = dist.log_prob(actions)
    ratios = torch.exp(logprobs - old_logprobs.detach())
    advantages = advantages.detach()

    surr1 = ratios * advantages
    surr2 = torch.clamp(ratios, 1 - eps_clip, 1 + eps_clip) * advantages
    mse = torch.nn.functional.mse_loss(state_values, returns, reduction="none")
    per_sample = -torch.min(surr1, surr2) + 0.5 * mse - 0.01 * dist.entropy()
    return per_sample.mean()
