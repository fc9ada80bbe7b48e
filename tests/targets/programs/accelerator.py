"""`accelerator.backward(loss)`: the pass, the clipping and the step are called by a wrapper."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(10)
N = 60


class Accelerator:
    """As little of a training wrapper as is needed."""

    def __init__(self, parts):
        self.parts, self.passes = parts, 0

    def backward(self, loss):
        self.passes += 1
        (loss / self.parts).backward()

    @property
    def is_complete(self):
        return self.passes % self.parts == 0

    def step(self, optimizer, parameters):
        if self.is_complete:
            nn.utils.clip_grad_norm_(parameters, 0.5)
            optimizer.step()
            optimizer.zero_grad()


policy = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.AdamW(policy.parameters(), lr=4e-3)
accelerator = Accelerator(parts=2)
for iteration in range(2):
    obs = torch.randn(N, 4)
    with torch.no_grad():
        dist = Categorical(logits=policy(obs))
        actions = dist.sample()
        old = dist.log_prob(actions)
        scores = obs.gather(1, actions[:, None]).squeeze(1)
        advantages = scores - scores.mean()
    for epoch in range(3):
        for rows in torch.randperm(N).split(15):
            dist = Categorical(logits=policy(obs[rows]))
            ratio = torch.exp((dist.log_prob(actions[rows]) - old[rows]).clamp(-9, 9))
            a = advantages[rows]
            surrogate = torch.min(ratio * a, torch.clamp(ratio, 0.8, 1.28) * a)
            loss = -surrogate.mean() - 0.005 * dist.entropy().mean()
            accelerator.backward(loss)
            accelerator.step(optimizer, policy.parameters())
