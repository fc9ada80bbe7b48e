"""Losses and helpers with one slip each, as their authors might have written them, and what belongs there."""

CLIPPED = '''"""A clipped surrogate that cannot overflow, with its comments."""

import torch


def loss(log_prob, old_log_prob, advantages, values, returns, entropy, clip_range=0.2, vf_coef=0.5, ent_coef=0.01):
    # the ratio of the new policy to the old one
    ratio = torch.exp(torch.clamp(log_prob - old_log_prob, -10.0, 10.0))
    clipped = torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
    policy = -torch.min(ratio * advantages, clipped * advantages).mean()  # pessimistic
    value = ((values - returns) ** 2).mean()
    bonus = entropy.mean()
    return policy + vf_coef * value - ent_coef * bonus
'''

SLIPS = {
    "max_for_min": ("-torch.min(ratio * advantages, clipped", "-torch.max(ratio * advantages, clipped"),
    "value_subtracted": ("policy + vf_coef * value", "policy - vf_coef * value"),
    "entropy_added": ("value - ent_coef * bonus", "value + ent_coef * bonus"),
    "critic_detached": ("((values - returns)", "((values.detach() - returns)"),
    "radius_squared": ("1 - clip_range, 1 + clip_range", "1 - clip_range**2, 1 + clip_range**2"),
    "mean_advantage": ("clipped * advantages).mean()", "clipped * advantages.mean()).mean()"),
}
"""Name of a slip: what belongs there, and what stands there."""

GAE = '''"""Generalised advantages, time first."""

import torch


def compute_gae(rewards, values, next_values, dones, gamma=0.99, gae_lambda=0.95):
    advantages = torch.zeros_like(rewards)
    carry = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        alive = 1.0 - dones[t].float()
        delta = rewards[t] + gamma * next_values[t] * alive - values[t]
        carry = delta + gamma * gae_lambda * alive * carry  # the recursion
        advantages[t] = carry
    return advantages
'''

GAE_SLIPS = {
    "carry_through_ends": ("gae_lambda * alive * carry", "gae_lambda * carry"),
    "bootstrap_through_ends": ("next_values[t] * alive - values", "next_values[t] - values"),
    "value_added": ("alive - values[t]", "alive + values[t]"),
    "lambda_forgotten": ("gamma * gae_lambda * alive * carry", "gamma * alive * carry"),
}


def faulty(text: str, slip: tuple[str, str]) -> str:
    """The text with the slip in it."""
    right, wrong = slip
    assert text.count(right) == 1
    return text.replace(right, wrong)
