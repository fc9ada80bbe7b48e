"""In Spinning Up's manner: the whole batch, first all policy steps, until the KL is too large, then all value steps."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(14)
N, CLIP, TARGET_KL = 40, 0.2, 0.01
pi = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4))
v = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
pi_optimizer = torch.optim.Adam(pi.parameters(), lr=1e-2)
v_optimizer = torch.optim.Adam(v.parameters(), lr=1e-2)


def policy_loss(obs, act, adv, logp_old):
    dist = Categorical(logits=pi(obs))
    logp = dist.log_prob(act)
    ratio = torch.exp((logp - logp_old).clamp(-10, 10))
    clip_adv = torch.clamp(ratio, 1 - CLIP, 1 + CLIP) * adv
    return -torch.min(ratio * adv, clip_adv).mean(), (logp_old - logp).mean().item()


for epoch in range(2):
    obs = torch.randn(N, 4)
    with torch.no_grad():
        dist = Categorical(logits=pi(obs))
        act = dist.sample()
        logp_old = dist.log_prob(act)
        ret = obs.gather(1, act[:, None]).squeeze(1)
        adv = ret - v(obs).squeeze(-1)
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    for _ in range(10):
        pi_optimizer.zero_grad()
        loss_pi, kl = policy_loss(obs, act, adv, logp_old)
        if kl > 1.5 * TARGET_KL:
            break
        loss_pi.backward()
        pi_optimizer.step()
    for _ in range(10):
        v_optimizer.zero_grad()
        loss_v = (v(obs).squeeze(-1) - ret).pow(2).mean()
        loss_v.backward()
        v_optimizer.step()
