"""TD(lambda) returns by their own recursion, from the values of successors."""

import torch


def td_lambda_returns(rewards, next_values, dones, gamma=0.99, lmbda=0.95):
    not_done = 1.0 - dones
    returns = torch.zeros_like(rewards)
    following = next_values[-1]
    for t in reversed(range(len(rewards))):
        blended = (1 - lmbda) * next_values[t] + lmbda * following
        following = rewards[t] + gamma * not_done[t] * blended
        returns[t] = following
    return returns
