"""GRPO: answers to one prompt lie next to each other; sample deviation and 1e-4, as TRL has it."""


def compute_advantages(rewards, num_generations=4):
    mean_grouped = rewards.view(-1, num_generations).mean(dim=1)
    std_grouped = rewards.view(-1, num_generations).std(dim=1)
    mean_grouped = mean_grouped.repeat_interleave(num_generations, dim=0)
    std_grouped = std_grouped.repeat_interleave(num_generations, dim=0)
    return (rewards - mean_grouped) / (std_grouped + 1e-4)
