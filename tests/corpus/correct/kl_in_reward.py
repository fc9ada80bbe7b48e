"""RLHF with the k1 penalty folded into the advantage: made of stored log-probs, it acts as a reward."""

import torch


def loss(logprobs, old_logprobs, ref_logprobs, advantages, values, returns, kl_coef=0.05, clip_range=0.2, vf_coef=0.1):
    penalty = kl_coef * (old_logprobs - ref_logprobs)
    shaped = advantages - penalty
    ratio = torch.exp(logprobs - old_logprobs)
    policy_loss = torch.max(-shaped * ratio, -shaped * ratio.clamp(1 - clip_range, 1 + clip_range)).mean()
    return policy_loss + vf_coef * 0.5 * (values - returns).square().mean()
