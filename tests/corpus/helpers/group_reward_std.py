"""Each group by its own mean, all of them by the deviation of the rewards of the batch."""


def advantages(rewards, num_generations):
    grouped = rewards.view(-1, num_generations)
    centred = rewards - grouped.mean(dim=1).repeat_interleave(num_generations)
    return centred / (rewards.std() + 1e-4)
