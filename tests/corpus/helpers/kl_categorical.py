"""The exact divergence of two categorical policies, from logits."""

import torch


def categorical_kl(old_logits, logits):
    old_log_p, log_p = torch.log_softmax(old_logits, -1), torch.log_softmax(logits, -1)
    return (old_log_p.exp() * (old_log_p - log_p)).sum(-1)
