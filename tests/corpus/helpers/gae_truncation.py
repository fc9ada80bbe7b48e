"""Terminated and truncated apart: the bootstrap stops at the one, the trace at both."""

import torch


def gae(reward, value, next_value, terminated, truncated, gamma=0.99, lmbda=0.95):
    not_terminated = 1.0 - terminated.to(value.dtype)
    not_done = not_terminated * (1.0 - truncated.to(value.dtype))
    delta = reward + gamma * not_terminated * next_value - value
    advantage = torch.empty_like(delta)
    carry = torch.zeros_like(delta[0])
    for t in range(delta.shape[0] - 1, -1, -1):
        carry = delta[t] + gamma * lmbda * not_done[t] * carry
        advantage[t] = carry
    return {"advantage": advantage, "value_target": advantage + value}
