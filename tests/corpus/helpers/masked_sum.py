"""Not if: sums over tokens, a mean over sequences; long responses weigh more, and that is a choice."""


def agg_loss(loss_mat, loss_mask):
    sequences = (loss_mat * loss_mask).sum(dim=-1)
    return sequences.mean()
