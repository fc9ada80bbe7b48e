"""Log-probs of a causal model: each place tells of the token behind it."""

import torch.nn.functional as F


def get_batch_logps(logits, input_ids, temperature=1.0):
    logits = logits[:, :-1, :] / temperature
    targets = input_ids[:, 1:]
    return F.log_softmax(logits, dim=-1).gather(2, targets[..., None])[..., 0]
