"""Several categorical actions at once, a target network for old log-probs, a GradScaler that does nothing on a CPU."""

import copy

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(15)
N, SIZES = 36, (2, 3)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 16), nn.Tanh())
        self.heads = nn.ModuleList(nn.Linear(16, size) for size in SIZES)

    def dists(self, obs):
        hidden = self.body(obs)
        return [Categorical(logits=head(hidden)) for head in self.heads]

    def log_prob(self, obs, actions):
        return torch.stack([d.log_prob(a) for d, a in zip(self.dists(obs), actions.T)]).sum(0)


policy = Policy()
policy_old = copy.deepcopy(policy)
optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
scaler = torch.amp.GradScaler("cpu", enabled=False)
for iteration in range(2):
    policy_old.load_state_dict(policy.state_dict())
    obs = torch.randn(N, 5)
    with torch.no_grad():
        actions = torch.stack([d.sample() for d in policy_old.dists(obs)], dim=1)
        old_log_prob = policy_old.log_prob(obs, actions)
        advantage = obs[:, 0] * (actions[:, 0] * 2 - 1) + obs[:, 1] * (actions[:, 1] - 1)
    for epoch in range(3):
        for rows in torch.randperm(N).split(12):
            new = policy.log_prob(obs[rows], actions[rows])
            entropy = torch.stack([d.entropy() for d in policy.dists(obs[rows])]).sum(0)
            ratio = (new - old_log_prob[rows]).clamp(-10, 10).exp()
            a = advantage[rows]
            loss = -torch.min(ratio * a, ratio.clamp(0.8, 1.2) * a).mean() - 0.01 * entropy.mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
