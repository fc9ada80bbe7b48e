"""Plain lists of one environment, built from the end and reversed, as tutorials have it."""


def compute_gae(rewards, values, dones, next_value, gamma=0.99, lam=0.95):
    values = values + [next_value]
    gae = 0.0
    returns = []
    for step in reversed(range(len(rewards))):
        delta = rewards[step] + gamma * values[step + 1] * (1 - dones[step]) - values[step]
        gae = delta + gamma * lam * (1 - dones[step]) * gae
        returns.insert(0, gae + values[step])
    return returns
