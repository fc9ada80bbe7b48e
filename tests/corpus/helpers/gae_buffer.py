"""The manner of Stable-Baselines3: a method's body over a buffer of arrays, the bootstrap is a tensor."""


def compute_returns_and_advantage(buffer, last_values, dones, gamma=0.99, gae_lambda=0.95):
    last_values = last_values.clone().cpu().numpy().flatten()
    last_gae_lam = 0
    for step in reversed(range(buffer.buffer_size)):
        if step == buffer.buffer_size - 1:
            next_non_terminal = 1.0 - dones
            next_values = last_values
        else:
            next_non_terminal = 1.0 - buffer.episode_starts[step + 1]
            next_values = buffer.values[step + 1]
        delta = buffer.rewards[step] + gamma * next_values * next_non_terminal - buffer.values[step]
        last_gae_lam = delta + gamma * gae_lambda * next_non_terminal * last_gae_lam
        buffer.advantages[step] = last_gae_lam
    buffer.returns = buffer.advantages + buffer.values
