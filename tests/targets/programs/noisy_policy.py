"""A policy that moves its mean at random while it is trained (RPO): its first ratios are not one, by design."""

import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(29)
N, ALPHA = 32, 0.3
mean_net, critic = nn.Linear(3, 2), nn.Linear(3, 1)
log_std = nn.Parameter(torch.zeros(2))
optimizer = torch.optim.Adam([*mean_net.parameters(), log_std, *critic.parameters()], lr=1e-3)


def policy(observation, action=None):
    mean = mean_net(observation)
    if action is None:
        action = Normal(mean, log_std.exp()).sample()
    else:
        mean = mean + torch.empty(mean.shape).uniform_(-ALPHA, ALPHA)
    return action, Normal(mean, log_std.exp()).log_prob(action).sum(1)


for iteration in range(2):
    with torch.no_grad():
        observations = torch.randn(N, 3)
        actions, old_log_probs = policy(observations)
        returns = -(actions - observations[:, :2]).square().sum(1)
        advantages = returns - critic(observations).squeeze(1)
    for epoch in range(3):
        for rows in torch.randperm(N).split(8):
            _, log_probs = policy(observations[rows], actions[rows])
            ratio = (log_probs - old_log_probs[rows]).clamp(-8, 8).exp()
            surrogate = torch.min(ratio * advantages[rows], ratio.clamp(0.8, 1.2) * advantages[rows])
            value_loss = (critic(observations[rows]).squeeze(1) - returns[rows]).square().mean()
            optimizer.zero_grad()
            (0.5 * value_loss - surrogate.mean()).backward()
            optimizer.step()
