"""Rollouts and advantages in NumPy, minibatches as tensors made of arrays; flags say that a step ended an episode."""

import numpy as np
import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(8)
rng = np.random.default_rng(8)
T, GAMMA, LAM = 64, 0.97, 0.9


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
        self.log_std = nn.Parameter(torch.zeros(1))
        self.value = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))

    def dist(self, obs):
        return Normal(self.mean(obs), self.log_std.exp())


class Buffer:
    def __init__(self):
        self.obs, self.actions, self.log_probs = [], [], []
        self.rewards, self.values, self.dones = [], [], []

    def add(self, obs, action, log_prob, reward, value, done):
        for store, item in zip(
            (self.obs, self.actions, self.log_probs, self.rewards, self.values, self.dones),
            (obs, action, log_prob, reward, value, done),
        ):
            store.append(item)

    def finish(self, last_value):
        values = np.append(np.array(self.values), last_value)
        self.advantages = np.zeros(T, dtype=np.float32)
        gae = 0.0
        for t in reversed(range(T)):
            live = 1.0 - self.dones[t]
            delta = self.rewards[t] + GAMMA * values[t + 1] * live - values[t]
            gae = delta + GAMMA * LAM * live * gae
            self.advantages[t] = gae
        self.returns = self.advantages + values[:-1].astype(np.float32)


net = ActorCritic()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
obs = rng.normal(size=2).astype(np.float32)
for iteration in range(2):
    buffer = Buffer()
    for t in range(T):
        with torch.no_grad():
            dist = net.dist(torch.as_tensor(obs))
            action = dist.sample()
            log_prob, value = dist.log_prob(action).sum().item(), net.value(torch.as_tensor(obs)).item()
        reward, done = float(-abs(action.item() - obs[0])), float(rng.random() < 0.1)
        buffer.add(obs, action.numpy(), log_prob, reward, value, done)
        obs = rng.normal(size=2).astype(np.float32)
    with torch.no_grad():
        buffer.finish(net.value(torch.as_tensor(obs)).item())

    arrays = [np.array(item, dtype=np.float32) for item in (buffer.obs, buffer.actions, buffer.log_probs)]
    order = np.arange(T)
    for epoch in range(3):
        rng.shuffle(order)
        for start in range(0, T, 16):
            rows = order[start : start + 16]
            x, a, old = (torch.as_tensor(array[rows]) for array in arrays)
            adv = torch.as_tensor(buffer.advantages[rows])
            ret = torch.as_tensor(buffer.returns[rows])
            adv = (adv - adv.mean()) / (adv.std() + 1e-8)
            dist = net.dist(x)
            ratio = (dist.log_prob(a).sum(-1) - old).clamp(-8, 8).exp()
            policy_loss = -torch.min(ratio * adv, ratio.clamp(0.8, 1.2) * adv).mean()
            value_loss = (net.value(x).squeeze(-1) - ret).pow(2).mean()
            loss = policy_loss + 0.5 * value_loss - 0.003 * dist.entropy().sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
