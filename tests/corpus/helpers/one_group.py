"""The answers to one prompt, as a list: whoever has several prompts calls it for each."""


def group_advantages(rewards: list[float]) -> list[float]:
    count = len(rewards)
    mean = sum(rewards) / count
    deviation = (sum((reward - mean) ** 2 for reward in rewards) / max(count - 1, 1)) ** 0.5
    return [(reward - mean) / (deviation + 1e-8) for reward in rewards]
