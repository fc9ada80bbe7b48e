"""Gradients of four microbatches make one step of plain SGD, after their norm was clipped."""

import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(1)
SAMPLES, MICRO, PARTS = 64, 8, 4
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
log_std = nn.Parameter(torch.full((2,), -0.5))
baseline = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
parameters = [*policy.parameters(), log_std, *baseline.parameters()]
optimizer = torch.optim.SGD(parameters, lr=0.05)

for iteration in range(3):
    obs = torch.randn(SAMPLES, 4)
    with torch.no_grad():
        behaviour = Normal(policy(obs), log_std.exp())
        actions = behaviour.sample()
        old_log_prob = behaviour.log_prob(actions).sum(-1)
        reward = -(actions - obs[:, :2]).pow(2).sum(-1)
        advantage = reward - baseline(obs).squeeze(-1)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    for epoch in range(2):
        chunks = torch.randperm(SAMPLES).split(MICRO)
        for number, rows in enumerate(chunks):
            dist = Normal(policy(obs[rows]), log_std.exp())
            ratio = (dist.log_prob(actions[rows]).sum(-1) - old_log_prob[rows]).clamp(max=8).exp()
            gain = torch.min(ratio * advantage[rows], ratio.clamp(0.8, 1.2) * advantage[rows]).mean()
            value_loss = (baseline(obs[rows]).squeeze(-1) - reward[rows]).pow(2).mean()
            bonus = dist.entropy().sum(-1).mean()
            loss = -gain + 0.5 * value_loss - 0.001 * bonus
            (loss / PARTS).backward()
            if (number + 1) % PARTS == 0:
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                optimizer.zero_grad()
