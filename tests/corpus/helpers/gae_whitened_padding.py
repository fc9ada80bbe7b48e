"""Boolean `masks` of tokens, read for the whitening alone; it puts the mean back, and padding gets no credit."""

import torch


def estimate(values, rewards, gamma, lmbda, masks=None):
    carry, steps = 0.0, []
    last = values.shape[-1] - 1
    for t in range(last, -1, -1):
        after = values[:, t + 1] if t < last else 0.0
        carry = rewards[:, t] + gamma * after - values[:, t] + gamma * lmbda * carry
        steps.append(carry)
    advantages = torch.stack(steps[::-1], dim=1)
    returns = advantages + values
    kept = advantages if masks is None else advantages[masks]
    advantages = (advantages - kept.mean()) * torch.rsqrt(kept.var() + 1e-8) + kept.mean()
    return (advantages if masks is None else advantages * masks), returns
