"""Log-probs without the whole softmax: the chosen logit, less the logarithm of the sum."""


class Categorical:
    """Actions in a column, as a buffer keeps them; a mask over tokens that is not needed here."""

    @staticmethod
    def log_prob(logits, action, mask=None):
        chosen = logits.gather(-1, action.long())
        return chosen - logits.logsumexp(-1, keepdim=True)
