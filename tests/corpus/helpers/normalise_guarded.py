"""Advantages of a minibatch, left alone where there is only one."""


def normalize_advantages(advantages):
    if len(advantages) > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    return advantages
