"""Dr. GRPO: the mean of the group is removed, and nothing is divided out."""


def dr_grpo_advantages(rewards, group_size=4):
    means = rewards.view(-1, group_size).mean(dim=-1, keepdim=True)
    return (rewards.view(-1, group_size) - means).view(-1)
