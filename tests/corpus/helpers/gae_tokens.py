"""RLHF: one response a row, a mask over its tokens, nothing behind the last one."""

import torch


def get_advantages_and_returns(values, rewards, response_mask, gamma=1.0, lam=0.95):
    values, rewards = values * response_mask, rewards * response_mask
    lastgaelam = 0
    reversed_advantages = []
    length = rewards.shape[1]
    for t in reversed(range(length)):
        nextvalues = values[:, t + 1] if t < length - 1 else 0.0
        delta = rewards[:, t] + gamma * nextvalues - values[:, t]
        lastgaelam = delta + gamma * lam * lastgaelam
        reversed_advantages.append(lastgaelam)
    advantages = torch.stack(reversed_advantages[::-1], dim=1)
    return advantages, advantages + values
