"""The commonest shape of all: a policy and a batch come in, the policy evaluates the stored actions (ikostrikov)."""

from types import SimpleNamespace

import torch
from torch import nn


class TinyPolicy(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor, self.critic = nn.Linear(4, 3), nn.Linear(4, 1)

    def evaluate_actions(self, obs, actions):
        dist = torch.distributions.Categorical(logits=self.actor(obs))
        return self.critic(obs).squeeze(-1), dist.log_prob(actions), dist.entropy()


def make_args(samples=16):
    """A policy and a batch of the shapes that `loss` expects."""
    noise = torch.randn(samples, 8, generator=torch.Generator().manual_seed(0))
    batch = SimpleNamespace(obs=noise[:, :4], actions=noise[:, 4].abs().long() % 3)
    batch.old_log_prob, batch.advantages, batch.returns = -noise[:, 5].abs() - 0.5, noise[:, 6], noise[:, 7]
    return TinyPolicy(), batch


def loss(policy, batch, clip_param=0.2, value_coef=0.5, entropy_coef=0.01):
    values, log_prob, entropy = policy.evaluate_actions(batch.obs, batch.actions)
    ratio = torch.exp(log_prob - batch.old_log_prob)
    surrogate = torch.min(ratio * batch.advantages, ratio.clamp(1 - clip_param, 1 + clip_param) * batch.advantages)
    value_loss = (batch.returns - values).pow(2)
    return (-surrogate + value_coef * value_loss - entropy_coef * entropy).mean()
