"""`torch.autograd.backward` from two losses at once; the value is clipped around the old one."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(3)
N = 40
pi, vf = nn.Linear(5, 4), nn.Linear(5, 1)
optimizers = [torch.optim.Adam(pi.parameters(), lr=1e-2), torch.optim.SGD(vf.parameters(), lr=1e-2)]

for iteration in range(3):
    obs = torch.randn(N, 5)
    with torch.no_grad():
        dist = Categorical(logits=pi(obs))
        act = dist.sample()
        old_logp, old_value = dist.log_prob(act), vf(obs).squeeze(-1)
        returns = obs.gather(1, act.unsqueeze(1)).squeeze(1)
        adv = returns - old_value
    for epoch in range(3):
        for mb in torch.randperm(N).split(20):
            dist = Categorical(logits=pi(obs[mb]))
            ratio = (dist.log_prob(act[mb]) - old_logp[mb]).clamp(-6, 6).exp()
            a = adv[mb]
            policy_loss = torch.max(-a * ratio, -a * ratio.clamp(0.8, 1.2)).mean()
            policy_loss = policy_loss - 0.02 * dist.entropy().mean()

            value = vf(obs[mb]).squeeze(-1)
            near = old_value[mb] + (value - old_value[mb]).clamp(-0.3, 0.3)
            worse = torch.max((value - returns[mb]).square(), (near - returns[mb]).square())
            value_loss = 0.5 * worse.mean()

            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward([policy_loss, value_loss])
            for optimizer in optimizers:
                optimizer.step()
