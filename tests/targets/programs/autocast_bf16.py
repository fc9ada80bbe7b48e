"""Networks under CPU autocast in bfloat16, the loss in float32."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(4)
N = 64
body = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 5))
critic = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.AdamW([*body.parameters(), *critic.parameters()], lr=1e-3)


def forward(obs):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, value = body(obs), critic(obs)
    return Categorical(logits=logits.float()), value.float().squeeze(-1)


for iteration in range(2):
    obs = torch.randn(N, 8)
    with torch.no_grad():
        dist, value = forward(obs)
        action = dist.sample()
        old_log_prob = dist.log_prob(action)
        reward = obs.gather(1, action[:, None]).squeeze(1)
        advantage = reward - value
    for epoch in range(3):
        for rows in torch.randperm(N).split(32):
            dist, v = forward(obs[rows])
            log_ratio = (dist.log_prob(action[rows]) - old_log_prob[rows]).clamp(-10, 10)
            ratio = log_ratio.exp()
            a = advantage[rows]
            a = (a - a.mean()) / (a.std() + 1e-6)
            clipped = torch.clamp(ratio, 0.8, 1.2)
            policy_loss = -torch.min(ratio * a, clipped * a).mean()
            value_loss = nn.functional.mse_loss(v, reward[rows])
            loss = policy_loss + 0.5 * value_loss - 0.01 * dist.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(body.parameters(), 0.5)
            optimizer.step()
