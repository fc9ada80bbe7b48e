"""The manner of a2c-ppo-acktr: `masks` are 1 - done, values and masks have one entry more than rewards."""

import torch


def compute_returns(rewards, value_preds, masks, gamma=0.99, gae_lambda=0.95):
    returns = torch.zeros_like(rewards)
    gae = 0
    for step in reversed(range(rewards.size(0))):
        delta = rewards[step] + gamma * value_preds[step + 1] * masks[step + 1] - value_preds[step]
        gae = delta + gamma * gae_lambda * masks[step + 1] * gae
        returns[step] = gae + value_preds[step]
    return returns
