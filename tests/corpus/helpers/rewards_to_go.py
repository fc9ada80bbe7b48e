"""Discounted rewards to go of one environment, restarted at each end; no values, no bootstrap."""


def rewards_to_go(rewards, is_terminals, gamma=0.99):
    discounted_reward = 0
    result = []
    for reward, is_terminal in zip(reversed(rewards), reversed(is_terminals)):
        if is_terminal:
            discounted_reward = 0
        discounted_reward = reward + gamma * discounted_reward
        result.insert(0, discounted_reward)
    return result
