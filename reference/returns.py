"""Advantages and value targets of a rollout, with terminations and truncations kept apart.

All arguments are time-major, [T] or [T, N]. `value_next_t` is V of the state that step t *reached*: the final
observation where an episode ended there, never the first observation of the episode that follows.
A terminated step has no future; a truncated one has a future that was not seen, so its value stands in for it. Neither
passes credit on to the episode before: "ended" below is terminated or truncated.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ppo_audit.reference.shapes import require_bool, require_equal_shapes, require_floating, require_rank_at_least


def td_errors(reward_t: Tensor, value_t: Tensor, value_next_t: Tensor, terminated_t: Tensor, gamma: float) -> Tensor:
    """The temporal-difference error of every step.

    δ_t = r_t + γ (1 − terminated_t) V(s_{t+1}) − V(s_t)

    GAE (arXiv:1506.02438), equation 11; time limits as in arXiv:1712.00378, equation 6.
    Shapes: equal, terminated boolean.
    """
    require_rank_at_least(1, reward_t=reward_t)
    require_equal_shapes(reward_t=reward_t, value_t=value_t, value_next_t=value_next_t, terminated_t=terminated_t)
    require_floating(reward_t=reward_t, value_t=value_t, value_next_t=value_next_t)
    require_bool(terminated_t=terminated_t)
    # `where`, not a product: the value of a state after the end is never asked for and may be NaN
    return reward_t + gamma * torch.where(terminated_t, 0.0, value_next_t) - value_t


def gae(
    reward_t: Tensor,
    value_t: Tensor,
    value_next_t: Tensor,
    terminated_t: Tensor,
    truncated_t: Tensor,
    gamma: float,
    lambda_: float,
) -> Tensor:
    """Generalised advantage estimates: TD errors summed with exponentially decaying weights up to the episode's end.

    Â_t = δ_t + γ λ (1 − ended_t) Â_{t+1}

    GAE (arXiv:1506.02438), equation 16. Shapes: equal, terminated and truncated boolean.
    """
    require_equal_shapes(terminated_t=terminated_t, truncated_t=truncated_t)
    require_bool(terminated_t=terminated_t, truncated_t=truncated_t)
    delta_t = td_errors(reward_t, value_t, value_next_t, terminated_t, gamma)
    carry_t = gamma * lambda_ * (~(terminated_t | truncated_t)).to(delta_t.dtype)
    advantage_t = torch.zeros_like(delta_t)
    advantage_tp1 = torch.zeros_like(delta_t[0])
    for t in range(len(delta_t) - 1, -1, -1):
        advantage_tp1 = delta_t[t] + carry_t[t] * advantage_tp1
        advantage_t[t] = advantage_tp1
    return advantage_t


def td_lambda_returns_backward(
    reward_t: Tensor,
    value_next_t: Tensor,
    terminated_t: Tensor,
    truncated_t: Tensor,
    gamma: float,
    lambda_: float,
) -> Tensor:
    """TD(λ) returns by their recursion. They equal GAE advantages plus values.

    G_t = r_t + γ (1 − terminated_t) [ (1 − λ_t) V(s_{t+1}) + λ_t G_{t+1} ],  λ_t = λ (1 − ended_t), 0 at the last step

    Sutton and Barto (2018), equation 12.18. Shapes: equal, terminated and truncated boolean.
    """
    _require_rollout(reward_t, value_next_t, terminated_t, truncated_t)
    future_t = torch.where(terminated_t, 0.0, value_next_t)
    ended_t = terminated_t | truncated_t
    return_t = torch.zeros_like(reward_t)
    return_tp1 = future_t[-1]
    for t in range(len(reward_t) - 1, -1, -1):
        blended = (1.0 - lambda_) * future_t[t] + lambda_ * return_tp1
        return_tp1 = reward_t[t] + gamma * torch.where(ended_t[t], future_t[t], blended)
        return_t[t] = return_tp1
    return return_t


def td_lambda_returns_forward(
    reward_t: Tensor,
    value_next_t: Tensor,
    terminated_t: Tensor,
    truncated_t: Tensor,
    gamma: float,
    lambda_: float,
) -> Tensor:
    """TD(λ) returns by their definition, a weighted mean of n-step returns; quadratic in T.

    G_t = (1 − λ) Σ_{n=1}^{h−1} λ^{n−1} G_{t:t+n} + λ^{h−1} G_{t:t+h},  G_{t:t+n} = Σ_{k<n} γ^k r_{t+k} + γ^n V(s_{t+n})

    Sutton and Barto (2018), equation 12.3; h steps remain to the episode's end or the last step. Shapes: as backward.
    """
    _require_rollout(reward_t, value_next_t, terminated_t, truncated_t)
    future_t = torch.where(terminated_t, 0.0, value_next_t)
    # the last row ends every sequence: beyond it nothing was seen
    last_t = (terminated_t | truncated_t).clone()
    last_t[-1] = True
    return torch.stack([_lambda_return_at(t, reward_t, future_t, last_t, gamma, lambda_) for t in range(len(reward_t))])


def _lambda_return_at(
    t: int, reward_t: Tensor, future_t: Tensor, last_t: Tensor, gamma: float, lambda_: float
) -> Tensor:
    total = torch.zeros_like(reward_t[0])
    rewards = torch.zeros_like(reward_t[0])
    alive = torch.ones_like(last_t[0])
    for n in range(1, len(reward_t) - t + 1):
        step = t + n - 1
        rewards = rewards + gamma ** (n - 1) * reward_t[step]
        n_step_return = rewards + gamma**n * future_t[step]
        weight = lambda_ ** (n - 1) * torch.where(last_t[step], 1.0, 1.0 - lambda_)
        total = total + torch.where(alive, weight * n_step_return, 0.0)
        alive = alive & ~last_t[step]
    return total


def discounted_returns(reward_t: Tensor, ended_t: Tensor, gamma: float) -> Tensor:
    """Monte-Carlo returns within the rows given, with no bootstrap anywhere.

    G_t = r_t + γ (1 − ended_t) G_{t+1}

    Sutton and Barto (2018), equation 3.9. Shapes: equal, ended boolean.
    """
    require_rank_at_least(1, reward_t=reward_t)
    require_equal_shapes(reward_t=reward_t, ended_t=ended_t)
    require_floating(reward_t=reward_t)
    require_bool(ended_t=ended_t)
    return_t = torch.zeros_like(reward_t)
    return_tp1 = torch.zeros_like(reward_t[0])
    for t in range(len(reward_t) - 1, -1, -1):
        return_tp1 = reward_t[t] + gamma * torch.where(ended_t[t], 0.0, return_tp1)
        return_t[t] = return_tp1
    return return_t


def _require_rollout(reward_t: Tensor, value_next_t: Tensor, terminated_t: Tensor, truncated_t: Tensor) -> None:
    require_rank_at_least(1, reward_t=reward_t)
    require_equal_shapes(
        reward_t=reward_t, value_next_t=value_next_t, terminated_t=terminated_t, truncated_t=truncated_t
    )
    require_floating(reward_t=reward_t, value_next_t=value_next_t)
    require_bool(terminated_t=terminated_t, truncated_t=truncated_t)
