"""The share of samples outside the clip, from log-probs."""

import torch


@torch.no_grad()
def clip_fraction(log_prob, old_log_prob, clip_range):
    ratio = torch.exp(log_prob - old_log_prob)
    return torch.mean((torch.abs(ratio - 1) > clip_range).float()).item()
