"""Advantages and returns against loops over single episodes, both views of each other, and exact identities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ppo_audit import reference

SHAPE = (9, 3)


def rollout(seed: int, shape: tuple[int, ...] = SHAPE) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)
    terminated = rng.random(shape) < 0.15
    return {
        "reward_t": torch.from_numpy(rng.normal(size=shape)),
        "value_t": torch.from_numpy(rng.normal(size=shape)),
        "value_next_t": torch.from_numpy(rng.normal(size=shape)),
        "terminated_t": torch.from_numpy(terminated),
        "truncated_t": torch.from_numpy((rng.random(shape) < 0.15) & ~terminated),
    }


def without_value(data: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: x for name, x in data.items() if name != "value_t"}


def episode_advantages(data: dict[str, np.ndarray], gamma: float, lambda_: float) -> np.ndarray:
    """Independent: cut one column into episodes, and sum TD errors forwards with explicit powers inside each."""
    ended = data["terminated_t"] | data["truncated_t"]
    out, start = np.zeros(len(ended)), 0
    for stop in [*(np.flatnonzero(ended) + 1), len(ended)]:
        for t in range(start, stop):
            for k in range(t, stop):
                future = 0.0 if data["terminated_t"][k] else gamma * data["value_next_t"][k]
                delta = data["reward_t"][k] + future - data["value_t"][k]
                out[t] += (gamma * lambda_) ** (k - t) * delta
        start = stop
    return out


def test_gae_equals_explicit_sums_over_episodes_in_a_thousand_random_rollouts():
    worst = 0.0
    for seed in range(1000):
        rng = np.random.default_rng(seed + 10_000)
        gamma, lambda_ = rng.uniform(0, 1), rng.choice([0.0, 1.0, rng.uniform()])
        data = rollout(seed, (int(rng.integers(1, 10)), 1))
        got = reference.gae(**data, gamma=gamma, lambda_=lambda_)[:, 0].numpy()
        column = {name: x[:, 0].numpy() for name, x in data.items()}
        worst = max(worst, float(np.abs(got - episode_advantages(column, gamma, lambda_)).max()))
    assert worst < 1e-12


@pytest.mark.parametrize("lambda_", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_forward_and_backward_views_agree_with_each_other_and_with_gae_plus_value(gamma, lambda_):
    for seed in range(10):
        data = rollout(seed)
        forward = reference.td_lambda_returns_forward(**without_value(data), gamma=gamma, lambda_=lambda_)
        backward = reference.td_lambda_returns_backward(**without_value(data), gamma=gamma, lambda_=lambda_)
        # GAE of one column uses V(s_{t+1}) twice: as value_next_t and as the next row's value_t; make them one
        consistent = dict(data)
        inside = ~(data["terminated_t"] | data["truncated_t"])[:-1]
        consistent["value_t"] = data["value_t"].clone()
        consistent["value_t"][1:] = torch.where(inside, data["value_next_t"][:-1], data["value_t"][1:])
        advantage = reference.gae(**consistent, gamma=gamma, lambda_=lambda_)
        assert torch.allclose(forward, backward, atol=1e-12)
        assert torch.allclose(advantage + consistent["value_t"], backward, atol=1e-12)


def test_a_terminated_step_has_no_future_and_ignores_even_a_nan_there():
    data = rollout(0)
    data["terminated_t"][4], data["truncated_t"][4] = True, False
    data["value_next_t"][4] = torch.nan
    advantage = reference.gae(**data, gamma=0.9, lambda_=0.8)
    assert torch.allclose(advantage[4], data["reward_t"][4] - data["value_t"][4])
    assert advantage.isfinite().all()


def test_a_truncated_step_bootstraps_from_the_final_observation_and_passes_nothing_on():
    data = rollout(1)
    data["terminated_t"][4], data["truncated_t"][4] = False, True
    advantage = reference.gae(**data, gamma=0.9, lambda_=0.8)
    assert torch.allclose(advantage[4], data["reward_t"][4] + 0.9 * data["value_next_t"][4] - data["value_t"][4])
    data["reward_t"][5:] += 100.0
    assert torch.equal(reference.gae(**data, gamma=0.9, lambda_=0.8)[:5], advantage[:5])


def test_columns_do_not_touch_each_other():
    data = rollout(2)
    whole = reference.gae(**data, gamma=0.99, lambda_=0.95)
    for n in range(SHAPE[1]):
        alone = reference.gae(**{name: x[:, n] for name, x in data.items()}, gamma=0.99, lambda_=0.95)
        assert torch.equal(whole[:, n], alone)


def test_a_critic_that_solves_the_bellman_equation_has_no_advantage():
    data = rollout(3)
    future = torch.where(data["terminated_t"], 0.0, data["value_next_t"])
    data["reward_t"] = data["value_t"] - 0.9 * future
    assert reference.gae(**data, gamma=0.9, lambda_=0.7).abs().max() < 1e-12


def test_the_jacobian_of_the_advantage_by_rewards_is_the_decay():
    data = rollout(4, (5,))
    data["terminated_t"][:] = data["truncated_t"][:] = False
    data["reward_t"].requires_grad_()
    advantage = reference.gae(**data, gamma=0.9, lambda_=0.5)
    (gradient,) = torch.autograd.grad(advantage[1], data["reward_t"])
    assert torch.allclose(gradient, torch.tensor([0.0, 1.0, 0.45, 0.45**2, 0.45**3], dtype=torch.float64))


def test_discounted_returns_restart_at_every_end():
    reward = torch.tensor([1.0, 2.0, 4.0, 8.0])
    ended = torch.tensor([False, True, False, False])
    assert reference.discounted_returns(reward, ended, 0.5).tolist() == [2.0, 2.0, 8.0, 8.0]


def test_flags_of_numbers_are_refused():
    data = rollout(5)
    data["truncated_t"] = data["truncated_t"].double()
    with pytest.raises(ValueError, match=r"`truncated_t` of dtype torch.bool, got torch.float64"):
        reference.gae(**data, gamma=0.9, lambda_=0.9)
