"""Actions are stored after their tanh, and turned back by a bounded atanh; the deviation is the network's, bounded."""

import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(14)
body = nn.Sequential(nn.Linear(3, 16), nn.Tanh())
center, spread, critic = nn.Linear(16, 2), nn.Linear(16, 2), nn.Linear(16, 1)
parameters = [each for part in (body, center, spread, critic) for each in part.parameters()]
optimizer = torch.optim.Adam(parameters, lr=1e-3)


def policy(states):
    hidden = body(states)
    return Normal(center(hidden), spread(hidden).clamp(-5, 2).exp()), critic(hidden).squeeze(-1)


def density(dist, raw, action):
    return (dist.log_prob(raw) - torch.log(1 - action.pow(2) + 1e-6)).sum(-1)


for iteration in range(2):
    states = torch.randn(48, 3)
    with torch.no_grad():
        behaviour, guess = policy(states)
        raw = behaviour.rsample()
        actions = raw.tanh()
        before = density(behaviour, raw, actions)
        rewards = -(actions - states[:, :2]).pow(2).sum(-1)
        gains = rewards - guess
    for epoch in range(3):
        for rows in torch.randperm(48).split(16):
            dist, value = policy(states[rows])
            taken = actions[rows]
            after = density(dist, torch.atanh(taken.clamp(-1 + 1e-6, 1 - 1e-6)), taken)
            ratio = (after - before[rows]).clamp(-6, 6).exp()
            surrogate = torch.min(ratio * gains[rows], ratio.clamp(0.8, 1.2) * gains[rows])
            loss = -surrogate.mean() + 0.5 * (value - rewards[rows]).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
