"""RLOO (Ahmadian et al. 2024): REINFORCE on whole completions, each against the mean reward of its siblings."""


def loss(token_logprobs, rewards, response_mask, rloo_k=4):
    logprob = (token_logprobs * response_mask).sum(dim=1)
    grouped = rewards.reshape(-1, rloo_k)
    baseline = (grouped.sum(dim=1, keepdim=True) - grouped) / (rloo_k - 1)
    advantages = (grouped - baseline).flatten()
    return -(advantages.detach() * logprob).mean()
