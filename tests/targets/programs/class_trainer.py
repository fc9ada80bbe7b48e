"""A trainer as a class, with a buffer as a dataclass and actions squashed by tanh, whose correction cancels."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.distributions import Normal


@dataclass
class Rollout:
    obs: torch.Tensor
    raw: torch.Tensor
    log_prob: torch.Tensor
    reward: torch.Tensor
    value: torch.Tensor

    @property
    def advantage(self):
        return self.reward - self.value

    def minibatches(self, size):
        for rows in torch.randperm(len(self.obs)).split(size):
            yield self.obs[rows], self.raw[rows], self.log_prob[rows], self.advantage[rows], self.reward[rows]


class Squashed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 16), nn.Tanh())
        self.mean, self.value = nn.Linear(16, 2), nn.Linear(16, 1)
        self.log_std = nn.Parameter(torch.full((2,), -0.3))

    def act(self, obs):
        dist = Normal(self.mean(self.body(obs)), self.log_std.exp())
        raw = dist.sample()
        return raw, dist.log_prob(raw).sum(-1)

    def evaluate(self, obs, raw):
        hidden = self.body(obs)
        dist = Normal(self.mean(hidden), self.log_std.exp())
        density = dist.log_prob(raw)
        return density.sum(-1), self.value(hidden).squeeze(-1)


class Trainer:
    def __init__(self, seed=9):
        torch.manual_seed(seed)
        self.net = Squashed()
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=3e-3)
        self.clip = 0.2

    @torch.no_grad()
    def collect(self, samples=48):
        obs = torch.randn(samples, 3)
        raw, log_prob = self.net.act(obs)
        reward = -(raw.tanh() - obs[:, :2]).pow(2).sum(-1)
        return Rollout(obs, raw, log_prob, reward, self.net.value(self.net.body(obs)).squeeze(-1))

    def loss(self, obs, raw, old, advantage, target):
        new, value = self.net.evaluate(obs, raw)
        ratio = torch.exp(torch.clamp(new - old, -10, 10))
        gain = torch.min(ratio * advantage, ratio.clamp(1 - self.clip, 1 + self.clip) * advantage)
        return -gain.mean() + 0.5 * (value - target).pow(2).mean()

    def update(self, rollout):
        for _ in range(3):
            for batch in rollout.minibatches(16):
                self.optimizer.zero_grad()
                self.loss(*batch).backward()
                nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
                self.optimizer.step()

    def train(self, iterations=2):
        for _ in range(iterations):
            self.update(self.collect())


if __name__ == "__main__":
    Trainer().train()
