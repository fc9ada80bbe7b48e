"""Rewards come from a helper process, which is none of the recorder's business."""

import multiprocessing

import torch
from torch import nn
from torch.distributions import Categorical

N, SCALE = 30, 2.0


def judge(connection):
    while (pairs := connection.recv()) is not None:
        connection.send([x[a] - 0.1 * a for x, a in pairs])


def main():
    mine, theirs = multiprocessing.Pipe()
    helper = multiprocessing.get_context("fork").Process(target=judge, args=(theirs,), daemon=True)
    helper.start()
    torch.manual_seed(12)
    policy, value = nn.Linear(3, 3), nn.Linear(3, 1)
    optimizer = torch.optim.Adam([*policy.parameters(), *value.parameters()], lr=1e-2)
    for iteration in range(2):
        obs = torch.randn(N, 3)
        with torch.no_grad():
            dist = Categorical(logits=policy(obs))
            actions = dist.sample()
            old = dist.log_prob(actions)
            mine.send(list(zip(obs.tolist(), actions.tolist())))
            rewards = torch.tensor(mine.recv())
            advantages = rewards - value(obs).squeeze(-1)
        for epoch in range(3):
            dist = Categorical(logits=policy(obs))
            ratio = torch.exp((dist.log_prob(actions) - old).clamp(-10, 10))
            weights = (advantages - advantages.mean()).div(SCALE)
            surrogate = torch.min(ratio * weights, ratio.clamp(0.8, 1.2) * weights)
            loss = -surrogate.mean() + (value(obs).squeeze(-1) - rewards).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    mine.send(None)
    helper.join()


if __name__ == "__main__":
    main()
