"""numpy arrays of one environment, with the value behind the last step appended by the caller."""

import numpy as np


def estimate_advantages(rewards, values, terminals, gamma=0.99, lam=0.95):
    advantages = np.zeros(len(rewards))
    carry = 0.0
    for t in range(len(rewards) - 1, -1, -1):
        alive = 1.0 - terminals[t]
        delta = rewards[t] + gamma * alive * values[t + 1] - values[t]
        carry = delta + gamma * lam * alive * carry
        advantages[t] = carry
    return advantages, advantages + values[:-1]
