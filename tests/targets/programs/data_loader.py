"""Minibatches from a DataLoader over a TensorDataset; advantages are normalised in the buffer, once."""

import torch
from torch import nn
from torch.distributions import Categorical
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(13)
N = 48
trunk = nn.Sequential(nn.Linear(4, 16), nn.Tanh())
pi_head, v_head = nn.Linear(16, 3), nn.Linear(16, 1)
optimizer = torch.optim.Adam([*trunk.parameters(), *pi_head.parameters(), *v_head.parameters()], lr=3e-3)

for iteration in range(2):
    obs = torch.randn(N, 4)
    with torch.no_grad():
        dist = Categorical(logits=pi_head(trunk(obs)))
        act = dist.sample()
        logp = dist.log_prob(act)
        val = v_head(trunk(obs)).squeeze(-1)
        ret = obs.gather(1, act[:, None]).squeeze(1)
        adv = ret - val
        adv.sub_(adv.mean()).div_(adv.std() + 1e-8)
    loader = DataLoader(TensorDataset(obs, act, logp, adv, ret, val), batch_size=16, shuffle=True)
    for epoch in range(3):
        for o, a, lp, ad, r, v0 in loader:
            features = trunk(o)
            dist, v = Categorical(logits=pi_head(features)), v_head(features).squeeze(-1)
            ratio = torch.exp((dist.log_prob(a) - lp).clamp(-10, 10))
            policy_loss = -torch.min(ratio * ad, ratio.clamp(0.8, 1.2) * ad).mean()
            v_clip = v0 + (v - v0).clamp(-0.2, 0.2)
            value_loss = 0.5 * torch.max((v - r).pow(2), (v_clip - r).pow(2)).mean()
            loss = policy_loss + 0.5 * value_loss - 0.01 * dist.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trunk.parameters(), 0.5)
            optimizer.step()
