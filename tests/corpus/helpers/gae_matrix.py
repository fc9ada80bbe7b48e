"""No loop over the recursion: a matrix of decays, zero across the ends of episodes, times the TD errors."""

import torch


def advantages(rewards, values, next_values, terminated, truncated, gamma=0.99, lam=0.95):
    ended = (terminated + truncated).clamp(max=1.0)
    deltas = rewards + gamma * (1 - terminated) * next_values - values
    step = torch.arange(len(rewards))
    episode = torch.cumsum(ended, 0) - ended
    same = (episode.unsqueeze(0) == episode.unsqueeze(1)).to(deltas.dtype)
    ahead = (step.unsqueeze(0) - step.unsqueeze(1)).clamp(min=0)
    decay = ((gamma * lam) ** ahead.to(deltas.dtype)).triu().unsqueeze(-1) * same
    return torch.einsum("tkn,kn->tn", decay, deltas)
