"""Plain A2C: log-prob times a detached advantage that the loss makes from returns and values."""


def loss(log_probs, values, returns, entropy, value_coef=0.5, entropy_coef=0.01):
    advantages = returns - values.detach()
    action_loss = -(advantages * log_probs).mean()
    value_loss = (returns - values).pow(2).mean()
    return action_loss + value_coef * value_loss - entropy_coef * entropy.mean()
