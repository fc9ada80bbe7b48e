"""Actor and critic apart: two networks, two losses, two optimizers; flags say that a step begins an episode."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
STEPS, ENVS, GAMMA, LAM, CLIP = 16, 4, 0.95, 0.9, 0.2


def mlp(outputs):
    return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, outputs))


actor, critic = mlp(2), mlp(1)
actor_optimizer = torch.optim.Adam(actor.parameters(), lr=3e-3)
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3)


def env_step(obs, action):
    reward = (action == (obs[:, 0] > 0)).float() + 0.1 * obs[:, 1]
    return torch.randn(ENVS, 3), reward, (torch.rand(ENVS) < 0.15).float()


next_obs, next_done = torch.randn(ENVS, 3), torch.zeros(ENVS)
for iteration in range(3):
    obs, actions = torch.zeros(STEPS, ENVS, 3), torch.zeros(STEPS, ENVS)
    log_probs, rewards, dones, values = (torch.zeros(STEPS, ENVS) for _ in range(4))
    for t in range(STEPS):
        obs[t], dones[t] = next_obs, next_done
        with torch.no_grad():
            policy = Categorical(logits=actor(next_obs))
            action = policy.sample()
            actions[t], log_probs[t] = action, policy.log_prob(action)
            values[t] = critic(next_obs).squeeze(-1)
        next_obs, rewards[t], next_done = env_step(next_obs, action)

    with torch.no_grad():
        next_value = critic(next_obs).squeeze(-1)
    advantages, carry = torch.zeros(STEPS, ENVS), torch.zeros(ENVS)
    for t in reversed(range(STEPS)):
        last = t == STEPS - 1
        live = 1 - (next_done if last else dones[t + 1])
        following = next_value if last else values[t + 1]
        delta = rewards[t] + GAMMA * following * live - values[t]
        carry = delta + GAMMA * LAM * live * carry
        advantages[t] = carry
    returns = advantages + values

    flat = lambda tensor: tensor.reshape(STEPS * ENVS, *tensor.shape[2:])
    b_obs, b_actions, b_old = flat(obs), flat(actions), flat(log_probs)
    b_adv, b_ret = flat(advantages), flat(returns)
    b_adv = (b_adv - b_adv.mean()) / (b_adv.std() + 1e-8)
    for epoch in range(3):
        order = torch.randperm(STEPS * ENVS)
        for rows in order.split(16):
            policy = Categorical(logits=actor(b_obs[rows]))
            log_ratio = policy.log_prob(b_actions[rows]) - b_old[rows]
            ratio = log_ratio.clamp(-10, 10).exp()
            bounded = ratio.clamp(1 - CLIP, 1 + CLIP)
            surrogate = torch.min(ratio * b_adv[rows], bounded * b_adv[rows]).mean()
            actor_loss = -surrogate - 0.01 * policy.entropy().mean()
            actor_optimizer.zero_grad()
            actor_loss.backward()
            actor_optimizer.step()

            error = critic(b_obs[rows]).squeeze(-1) - b_ret[rows]
            critic_loss = 0.5 * error.pow(2).mean()
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()
