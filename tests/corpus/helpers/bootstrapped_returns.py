"""A2C: discounted returns up to the end of the rollout, then the critic; the advantage is return less value."""

import torch


def compute_returns(next_value, rewards, masks, values, gamma=0.99):
    R = next_value
    returns = []
    for step in reversed(range(len(rewards))):
        R = rewards[step] + gamma * R * masks[step]
        returns.insert(0, R)
    returns = torch.stack(returns)
    return returns, returns - values
