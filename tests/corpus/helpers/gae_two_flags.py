"""Two flags of ends: the last step of a trajectory, for whatever reason, and a state that nothing follows."""

import torch


def gae(values, next_values, rewards, terminated, dones, gamma, lam):
    advantages = torch.empty_like(values)
    for k in range(len(values) - 1, -1, -1):
        delta = rewards[k] + gamma * (1 - terminated[k]) * next_values[k] - values[k]
        trace = (1 - dones[k]) * advantages[k + 1] if k + 1 < len(values) else 0.0
        advantages[k] = delta + gamma * lam * trace
    return advantages
