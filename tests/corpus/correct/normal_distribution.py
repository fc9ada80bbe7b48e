"""CleanRL's continuous manner: Normal(mean, std), log-prob and entropy summed over dim 1, a value head beside it."""

import torch
from torch.distributions import Normal


def loss(mean, log_std, action, old_logprob, advantage, value, ret, clip_coef=0.2, vf_coef=0.5, ent_coef=0.01):
    probs = Normal(mean, log_std.exp())
    logprob = probs.log_prob(action).sum(1)
    entropy = probs.entropy().sum(1)
    ratio = (logprob - old_logprob).exp()
    pg_loss1 = -advantage * ratio
    pg_loss2 = -advantage * ratio.clamp(1 - clip_coef, 1 + clip_coef)
    v_loss = 0.5 * ((value - ret) ** 2).mean()
    return torch.max(pg_loss1, pg_loss2).mean() + vf_coef * v_loss - ent_coef * entropy.mean()
