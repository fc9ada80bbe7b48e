"""Advantages of whole answers from rewards of tokens; prompts are told apart by ids that are keys of a dict."""

from collections import defaultdict

import torch


def outcome_advantage(token_level_rewards, response_mask, index, epsilon=1e-6):
    scores = token_level_rewards.sum(dim=-1)
    of_prompt = defaultdict(list)
    for row, prompt in enumerate(index):
        of_prompt[prompt].append(scores[row])
    advantages = torch.zeros_like(scores)
    for row, prompt in enumerate(index):
        group = torch.stack(of_prompt[prompt])
        advantages[row] = (scores[row] - group.mean()) / (group.std() + epsilon)
    return advantages.unsqueeze(-1) * response_mask
