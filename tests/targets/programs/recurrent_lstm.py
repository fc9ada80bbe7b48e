"""An LSTM that is unrolled step by step: states start from those of the rollout, and are zeroed where episodes begin."""

import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(16)
T, ENVS, HIDDEN = 6, 12, 16


class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(4, HIDDEN)
        self.mean = nn.Linear(HIDDEN, 2)
        self.log_std = nn.Parameter(torch.zeros(2))
        self.v = nn.Linear(HIDDEN, 1)

    def step(self, obs, state, begins):
        state = self.cell(obs, tuple(part * (1 - begins)[:, None] for part in state))
        dist = Normal(self.mean(state[0]), self.log_std.exp())
        return dist, self.v(state[0]).squeeze(-1), state


net = Memory()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
state = (torch.zeros(ENVS, HIDDEN), torch.zeros(ENVS, HIDDEN))
for iteration in range(2):
    first = tuple(part.clone() for part in state)
    obs, begins = torch.randn(T, ENVS, 4), (torch.rand(T, ENVS) < 0.2).float()
    actions, logps, values, rewards = [], [], [], []
    with torch.no_grad():
        for t in range(T):
            dist, value, state = net.step(obs[t], state, begins[t])
            actions.append(dist.sample())
            logps.append(dist.log_prob(actions[-1]).sum(-1))
            values.append(value)
            rewards.append(-(actions[-1] - obs[t, :, :2]).square().sum(-1))
        actions, logps, values = torch.stack(actions), torch.stack(logps), torch.stack(values)
        returns = torch.stack(rewards)
        advantages = returns - values
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    for epoch in range(3):
        for envs in torch.randperm(ENVS).split(6):
            memory, new, v, bonus = tuple(part[envs] for part in first), [], [], []
            for t in range(T):
                dist, value, memory = net.step(obs[t, envs], memory, begins[t, envs])
                new.append(dist.log_prob(actions[t, envs]).sum(-1))
                bonus.append(dist.entropy().sum(-1))
                v.append(value)
            ratio = (torch.stack(new) - logps[:, envs]).clamp(-10, 10).exp()
            adv = advantages[:, envs]
            surrogate = torch.min(ratio * adv, ratio.clamp(0.8, 1.2) * adv)
            value_loss = (torch.stack(v) - returns[:, envs]).square()
            loss = (-surrogate + 0.5 * value_loss).mean() - 0.01 * torch.stack(bonus).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
