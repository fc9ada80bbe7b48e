"""A small trainer for scripts that misbehave: `before` is called ahead of every rollout with its number."""

from collections.abc import Callable

import torch
from torch import nn
from torch.distributions import Categorical

UPDATES = 1000


def train(before: Callable[[int], object], updates: int = UPDATES, epochs: int = 3) -> None:
    """PPO on a task without a world: the reward is one for the action 0."""
    torch.manual_seed(0)
    policy = nn.Linear(3, 4)
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
    for update in range(updates):
        before(update)
        observations = torch.randn(32, 3)
        with torch.no_grad():
            behaviour = Categorical(logits=policy(observations))
            actions = behaviour.sample()
            old_log_probs = behaviour.log_prob(actions)
        advantages = (actions == 0).float() + 0.1 * torch.randn(32)
        for _ in range(epochs):
            for rows in torch.randperm(32).split(8):
                new = Categorical(logits=policy(observations[rows])).log_prob(actions[rows])
                ratio = (new - old_log_probs[rows]).clamp(-5, 5).exp()
                surrogate = torch.min(ratio * advantages[rows], ratio.clamp(0.8, 1.2) * advantages[rows])
                optimizer.zero_grad()
                (-surrogate.mean()).backward()
                optimizer.step()
