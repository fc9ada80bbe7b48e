"""Gradients by `torch.autograd.grad`, put in place by hand; one network with two heads."""

import torch
from torch import nn

torch.manual_seed(2)
N, EPS = 48, 0.2


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 24), nn.ReLU())
        self.logits = nn.Linear(24, 3)
        self.value = nn.Linear(24, 1)

    def forward(self, x):
        hidden = self.trunk(x)
        return self.logits(hidden).log_softmax(-1), self.value(hidden).squeeze(-1)


net = TwoHeads()
weights = list(net.parameters())
optimizer = torch.optim.Adam(weights, lr=2e-3)


def chosen(log_policy, action):
    return log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)


for iteration in range(3):
    state = torch.randn(N, 3)
    with torch.no_grad():
        log_policy, value = net(state)
        action = torch.multinomial(log_policy.exp(), 1).squeeze(-1)
        logp_old = chosen(log_policy, action)
    target = state.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    adv = target - value
    for epoch in range(4):
        for rows in torch.randperm(N).split(24):
            log_policy, v = net(state[rows])
            ratio = torch.exp(torch.clamp(chosen(log_policy, action[rows]) - logp_old[rows], -5, 5))
            a = adv[rows]
            pg = -torch.where(
                a > 0, torch.minimum(ratio, torch.tensor(1 + EPS)) * a, torch.maximum(ratio, torch.tensor(1 - EPS)) * a
            )
            entropy = -(log_policy.exp() * log_policy).sum(-1)
            loss = pg.mean() + 0.25 * (v - target[rows]).square().mean() - 0.01 * entropy.mean()
            for weight, gradient in zip(weights, torch.autograd.grad(loss, weights)):
                weight.grad = gradient
            optimizer.step()
