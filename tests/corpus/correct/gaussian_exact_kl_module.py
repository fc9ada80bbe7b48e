"""An nn.Module in rsl_rl's manner: clipped surrogate, exact KL of diagonal Gaussians reported and lightly penalised."""

import torch
from torch import nn
from torch.distributions import Normal, kl_divergence


class Loss(nn.Module):
    def __init__(self, clip_param=0.2, kl_weight=0.1, entropy_coef=0.01):
        super().__init__()
        self.clip_param, self.kl_weight, self.entropy_coef = clip_param, kl_weight, entropy_coef

    def forward(self, mu, log_sigma, old_mu, old_log_sigma, actions, advantages):
        new, old = Normal(mu, log_sigma.exp()), Normal(old_mu, old_log_sigma.exp())
        ratio = torch.exp(new.log_prob(actions).sum(-1) - old.log_prob(actions).sum(-1))
        surrogate = -advantages * ratio
        surrogate_clipped = -advantages * ratio.clamp(1 - self.clip_param, 1 + self.clip_param)
        surrogate_loss = torch.max(surrogate, surrogate_clipped).mean()
        kl = kl_divergence(old, new).sum(-1).mean()
        entropy = new.entropy().sum(-1).mean()
        return surrogate_loss + self.kl_weight * kl - self.entropy_coef * entropy, kl.detach()
