"""Collecting a rollout: fields aligned, ends seen right, old distributions kept."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from ppo_audit.reference.trainers import ppo
from ppo_audit.reference.trainers.environments import make_environments
from ppo_audit.reference.trainers.evaluation import evaluate_policy, sampled
from ppo_audit.reference.trainers.families import Categorical
from ppo_audit.reference.trainers.ppo import PPO, PPOConfig
from ppo_audit.reference.trainers.rollout import collect, start_collecting
from ppo_audit.reference.trainers.trainer import Setup, start
from tests.reference.trainers import probes

probes.register()


def collected(name, steps, count=2, seed=0):
    collector = start_collecting(make_environments(name, count), seed)
    act = lambda observation: np.zeros((count, 2), np.float32)
    return collector, collect(collector, act, Categorical(2), steps, np.random.default_rng(seed))


def test_each_step_begins_where_the_one_before_reached_unless_an_episode_ended():
    _, steps = collected("CartPole-v1", 80)
    ended = steps.terminated | steps.truncated
    assert ended.any()
    going_on = ~ended[:-1]
    assert torch.equal(steps.observation[1:][going_on], steps.next_observation[:-1][going_on])
    assert not torch.equal(steps.observation[1:][~going_on], steps.next_observation[:-1][~going_on])


def test_returns_and_lengths_of_episodes_are_counted_across_rollouts():
    collector, first = collected("CartPole-v1", 30)
    act = lambda observation: np.zeros((2, 2), np.float32)
    second = collect(collector, act, Categorical(2), 30, np.random.default_rng(1))
    ended = torch.cat([first.terminated | first.truncated, second.terminated | second.truncated])
    lengths = []
    for column in ended.T:
        ends = [-1, *torch.nonzero(column).flatten().tolist()]
        lengths += [b - a for a, b in itertools.pairwise(ends)]
    assert sorted(n for _, n in collector.finished) == sorted(lengths)
    assert all(total == n for total, n in collector.finished)
    assert collector.episodes == len(lengths)


def test_a_second_rollout_goes_on_from_the_first():
    whole = collected("CartPole-v1", 20)[1]
    collector, first = collected("CartPole-v1", 10)
    assert torch.equal(whole.observation[:10], first.observation)
    assert torch.equal(torch.from_numpy(collector.observation), whole.observation[10])


def test_the_old_distributions_values_and_log_probs_are_the_networks_own():
    trainer = start(Setup("CartPole-v1", environments=3), PPOConfig(), PPO, 1000)
    rollout = ppo.next_rollout(trainer, 25)
    steps = rollout.trajectory
    with torch.no_grad():
        for t in (0, 24):
            parameters, value = trainer.network(steps.observation[t])
            assert torch.allclose(rollout.parameters_old[t], parameters, atol=1e-6)
            assert torch.allclose(rollout.value_old[t], value, atol=1e-6)
            assert torch.allclose(rollout.value_next[t], trainer.network.value(steps.next_observation[t]), atol=1e-6)
    taken = torch.log_softmax(rollout.parameters_old, -1).gather(-1, steps.action.unsqueeze(-1)).squeeze(-1)
    assert torch.allclose(rollout.log_prob_old, taken)


def test_forbidden_actions_stand_at_minus_infinity_in_the_old_distributions():
    trainer = start(Setup("ProbeMaskedActionReward-v0"), PPOConfig(), PPO, 1000)
    rollout = ppo.next_rollout(trainer, 4)
    assert torch.equal(rollout.parameters_old.isneginf(), ~rollout.trajectory.action_mask)
    assert rollout.log_prob_old.isfinite().all()


@pytest.mark.parametrize("episodes", [1, 5])
def test_an_evaluation_gives_one_return_an_episode_and_does_not_disturb_training(episodes):
    trainer = start(Setup("CartPole-v1"), PPOConfig(rollout_steps=8), PPO, 1000)
    other = start(Setup("CartPole-v1"), PPOConfig(rollout_steps=8), PPO, 1000)
    assert len(evaluate_policy(trainer, episodes, sampled).returns) == episodes
    for one in (trainer, other):
        PPO.iterate(one)
    assert torch.equal(trainer.flat, other.flat)
