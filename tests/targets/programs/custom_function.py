"""The clipped surrogate as an autograd.Function with a gradient written by hand."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(5)
N = 32


class Surrogate(torch.autograd.Function):
    """min(r A, clip(r) A): the gradient is A where the unclipped branch is the smaller one."""

    @staticmethod
    def forward(ctx, ratio, advantage, eps):
        plain, bounded = ratio * advantage, ratio.clamp(1 - eps, 1 + eps) * advantage
        ctx.save_for_backward(advantage, plain <= bounded)
        return torch.min(plain, bounded)

    @staticmethod
    def backward(ctx, grad):
        advantage, is_plain = ctx.saved_tensors
        return grad * advantage * is_plain, None, None


policy = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 3))
optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
for iteration in range(3):
    obs = torch.randn(N, 3)
    with torch.no_grad():
        dist = Categorical(logits=policy(obs))
        action = dist.sample()
        old = dist.log_prob(action)
        advantage = obs.gather(1, action[:, None]).squeeze(1)
    for epoch in range(4):
        dist = Categorical(logits=policy(obs))
        ratio = (dist.log_prob(action) - old).clamp(-5, 5).exp()
        loss = -Surrogate.apply(ratio, advantage, 0.2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
