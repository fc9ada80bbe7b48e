"""Environments along the first axis, time along the second."""

import torch


def gae(rewards, values, dones, last_value, gamma=0.99, lam=0.95):
    horizon = rewards.shape[1]
    following = torch.cat([values[:, 1:], last_value.unsqueeze(1)], dim=1)
    deltas = rewards + gamma * following * (1 - dones) - values
    advantages = torch.zeros_like(deltas)
    carry = torch.zeros_like(deltas[:, 0])
    for t in reversed(range(horizon)):
        carry = deltas[:, t] + gamma * lam * (1 - dones[:, t]) * carry
        advantages[:, t] = carry
    return advantages
