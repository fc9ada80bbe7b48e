"""The TD error as the advantage, as in actor-critic with one step."""


def td_advantage(rewards, values, next_values, dones, gamma=0.99):
    target = rewards + gamma * next_values * (1 - dones)
    return target - values, target
