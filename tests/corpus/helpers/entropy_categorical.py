"""The entropy of a categorical policy from its logits."""

import torch


def entropy_from_logits(logits):
    log_p = torch.log_softmax(logits, dim=-1)
    return -(log_p.exp() * log_p).sum(dim=-1)
