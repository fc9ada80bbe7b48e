"""The optimizer calls the loss: `step(closure)` clears, computes, goes back and clips."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(11)
actor = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
critic = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
parameters = [*actor.parameters(), *critic.parameters()]
optimizer = torch.optim.RMSprop(parameters, lr=1e-3)

for iteration in range(2):
    states = torch.randn(48, 4)
    with torch.no_grad():
        behaviour = Categorical(logits=actor(states))
        actions = behaviour.sample()
        before = behaviour.log_prob(actions)
        rewards = (actions == states[:, :3].argmax(-1)).float()
        gains = rewards - critic(states).squeeze(-1)

    for epoch in range(3):
        for rows in torch.randperm(48).split(16):

            def closure():
                optimizer.zero_grad()
                policy = Categorical(logits=actor(states[rows]))
                ratio = (policy.log_prob(actions[rows]) - before[rows]).clamp(-6, 6).exp()
                worse = torch.min(ratio * gains[rows], ratio.clamp(0.8, 1.2) * gains[rows])
                error = (critic(states[rows]).squeeze(-1) - rewards[rows]).pow(2).mean()
                loss = -worse.mean() + 0.5 * error - 0.01 * policy.entropy().mean()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, 0.5)
                return loss

            optimizer.step(closure)
