"""RLOO: each answer against the mean of the others."""


def rloo_advantages(rewards, rloo_k=4):
    grouped = rewards.reshape(-1, rloo_k)
    baseline = (grouped.sum(dim=1, keepdim=True) - grouped) / (rloo_k - 1)
    return (grouped - baseline).flatten()
