"""GRPO: one prompt a row, population deviation, numpy."""

import numpy as np


def group_advantages(rewards):
    rewards = np.asarray(rewards)
    mean = rewards.mean(axis=1, keepdims=True)
    std = rewards.std(axis=1, keepdims=True)
    return (rewards - mean) / (std + 1e-6)
