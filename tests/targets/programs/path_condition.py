"""Python decisions in the loss, and an early stop of all epochs on the exact KL, before the step."""

import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

torch.manual_seed(11)
N, TARGET_KL = 50, 0.02
mean, log_std, critic = nn.Linear(3, 2), nn.Parameter(torch.zeros(2)), nn.Linear(3, 1)
optimizer = torch.optim.Adam([*mean.parameters(), log_std, *critic.parameters()], lr=1e-2)


def normalised(advantage):
    if len(advantage) > 1:
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    return advantage


for iteration in range(2):
    obs = torch.randn(N, 3)
    with torch.no_grad():
        loc, scale = mean(obs), log_std.exp().expand(N, 2)
        action = Normal(loc, scale).sample()
        old = Normal(loc, scale).log_prob(action).sum(-1)
        reward = -(action - obs[:, :2]).abs().sum(-1)
        advantage = reward - critic(obs).squeeze(-1)
    stopped = False
    for epoch in range(4):
        for rows in torch.randperm(N).split(25):
            dist = Normal(mean(obs[rows]), log_std.exp().expand(len(rows), 2))
            kl = kl_divergence(Normal(loc[rows], scale[rows]), dist).sum(-1).mean().item()
            if kl > 1.5 * TARGET_KL:
                stopped = True
                break
            log_ratio = dist.log_prob(action[rows]).sum(-1) - old[rows]
            ratio = log_ratio.clamp(-10, 10).exp()
            a = normalised(advantage[rows])
            policy_loss = -torch.min(ratio * a, ratio.clamp(0.8, 1.2) * a).mean()
            value_loss = (critic(obs[rows]).squeeze(-1) - reward[rows]).pow(2).mean()
            loss = policy_loss + 0.5 * value_loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if stopped:
            break
