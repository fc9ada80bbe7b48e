"""GRPO: ids say which rewards belong together; sums are scattered by id."""

import torch


def advantages_by_prompt(rewards, prompt_ids):
    groups = int(prompt_ids.max()) + 1
    zeros = torch.zeros(groups, dtype=rewards.dtype)
    count = zeros.scatter_add(0, prompt_ids, torch.ones_like(rewards))
    mean = zeros.scatter_add(0, prompt_ids, rewards) / count
    centred = rewards - mean[prompt_ids]
    variance = zeros.scatter_add(0, prompt_ids, centred**2) / count
    return centred / (variance[prompt_ids].sqrt() + 1e-4)
