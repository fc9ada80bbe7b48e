"""A GRU policy over whole sequences: minibatches are of environments, hidden states start from zero."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(6)
T, ENVS, HIDDEN = 8, 12, 16


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(4, HIDDEN)
        self.pi = nn.Linear(HIDDEN, 3)
        self.v = nn.Linear(HIDDEN, 1)

    def forward(self, obs, hidden):
        features, hidden = self.gru(obs, hidden)
        return Categorical(logits=self.pi(features)), self.v(features).squeeze(-1), hidden


net = Recurrent()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3, eps=1e-5)
for iteration in range(2):
    obs = torch.randn(T, ENVS, 4)
    actions = torch.zeros(T, ENVS, dtype=torch.long)
    old_log_probs, rewards, values = torch.zeros(T, ENVS), torch.zeros(T, ENVS), torch.zeros(T + 1, ENVS)
    with torch.no_grad():
        hidden = torch.zeros(1, ENVS, HIDDEN)
        for t in range(T):
            dist, value, hidden = net(obs[t : t + 1], hidden)
            actions[t] = dist.sample()[0]
            old_log_probs[t], values[t] = dist.log_prob(actions[t : t + 1])[0], value[0]
            rewards[t] = obs[t].gather(1, actions[t][:, None]).squeeze(1)
        values[T] = net(torch.randn(1, ENVS, 4), hidden)[1][0]
        advantages = torch.zeros(T, ENVS)
        carry = torch.zeros(ENVS)
        for t in reversed(range(T)):
            delta = rewards[t] + 0.9 * values[t + 1] - values[t]
            carry = delta + 0.9 * 0.8 * carry
            advantages[t] = carry
        returns = advantages + values[:T]
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    for epoch in range(3):
        for envs in torch.randperm(ENVS).split(6):
            dist, value, _ = net(obs[:, envs], torch.zeros(1, len(envs), HIDDEN))
            log_ratio = dist.log_prob(actions[:, envs]) - old_log_probs[:, envs]
            ratio = log_ratio.clamp(-10, 10).exp()
            a = advantages[:, envs]
            policy_loss = -torch.min(a * ratio, a * ratio.clamp(0.8, 1.2)).mean()
            value_loss = 0.5 * (value - returns[:, envs]).pow(2).mean()
            loss = policy_loss + 0.5 * value_loss - 0.01 * dist.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
