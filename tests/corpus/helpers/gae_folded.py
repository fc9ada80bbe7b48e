"""The value of the last observation before a time limit is folded into the reward; then every end is an end."""

import torch


def gae(rewards, values, terminal_values, terminated, truncated, last_values, gamma=0.99, gae_lambda=0.95):
    rewards = rewards + gamma * terminal_values * truncated
    alive = 1.0 - torch.maximum(terminated, truncated)
    adv = torch.zeros_like(rewards)
    carry = torch.zeros_like(last_values)
    following = last_values
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * alive[t] * following - values[t]
        carry = delta + gamma * gae_lambda * alive[t] * carry
        adv[t], following = carry, values[t]
    return adv, adv + values
