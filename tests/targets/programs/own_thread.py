"""A learner in a thread of its own, as asynchronous trainers have one."""

import threading

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(12)
actor = nn.Linear(4, 3)
optimizer = torch.optim.Adam(actor.parameters(), lr=1e-2)


def learn():
    states = torch.randn(32, 4)
    with torch.no_grad():
        behaviour = Categorical(logits=actor(states))
        actions = behaviour.sample()
        before = behaviour.log_prob(actions)
    gains = (actions == 0).float() - 0.5
    for _ in range(4):
        ratio = (Categorical(logits=actor(states)).log_prob(actions) - before).clamp(-6, 6).exp()
        loss = -torch.min(ratio * gains, ratio.clamp(0.8, 1.2) * gains).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


learner = threading.Thread(target=learn, name="learner")
learner.start()
learner.join()
