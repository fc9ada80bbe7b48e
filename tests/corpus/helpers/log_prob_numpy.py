"""Log-probs of a choice in arrays, the largest logit taken off first."""

import numpy as np


def log_probs_of(logits, actions):
    shifted = np.asarray(logits) - np.asarray(logits).max(axis=-1, keepdims=True)
    normaliser = np.log(np.exp(shifted).sum(axis=-1))
    return shifted[np.arange(len(shifted)), np.asarray(actions)] - normaliser
