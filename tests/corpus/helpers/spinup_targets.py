"""The manner of Spinning Up: GAE advantages beside rewards to go as the target of the critic; one path, no ends inside."""

import numpy as np


def discount_cumsum(x, discount):
    total = np.zeros_like(x)
    running = 0.0
    for i in reversed(range(len(x))):
        running = x[i] + discount * running
        total[i] = running
    return total


def finish_path(rews, vals, last_val=0.0, gamma=0.99, lam=0.97):
    rews = np.append(rews, last_val)
    vals = np.append(vals, last_val)
    deltas = rews[:-1] + gamma * vals[1:] - vals[:-1]
    adv = discount_cumsum(deltas, gamma * lam)
    ret = discount_cumsum(rews, gamma)[:-1]
    return adv, ret
