"""Log-probs of tokens: log-softmax, then the entry that was taken."""

import torch


def logprobs_from_logits(logits, labels):
    logp = torch.log_softmax(logits, dim=-1)
    return torch.gather(logp, -1, labels.unsqueeze(-1)).squeeze(-1)
