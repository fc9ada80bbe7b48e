"""The rule of the paper word by word: the target stands in the code, and nothing bounds many steps."""

KL_TARGET = 0.01


def adapt_beta(kl, beta):
    if kl < KL_TARGET / 1.5:
        return beta / 2
    if kl > KL_TARGET * 1.5:
        return beta * 2
    return beta
