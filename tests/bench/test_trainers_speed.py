"""Steps per second of the reference PPO, stable-baselines3 and a script in CleanRL's manner, interleaved in one run.

    PPO_AUDIT_BENCH=1 OMP_NUM_THREADS=1 python -m pytest tests/bench/test_trainers_speed.py -s

Same network (two separate 64 x 64 tanh networks), environments (8), rollout (128), minibatches (256), epochs (4) and
Adam. "CartPole-v1" is stepped one after the other by each side's own vector environment; "native" is our NumPy
CartPole on all sides. Each pairing runs several rounds in turn, and the median of each side counts.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

from ppo_audit.reference.trainers.environments import make_environments
from ppo_audit.reference.trainers.ppo import PPO, PPOConfig
from ppo_audit.reference.trainers.trainer import Setup, start

stable_baselines3 = pytest.importorskip("stable_baselines3")

COUNT, ROLLOUT, BATCH, EPOCHS, RATE, GAMMA, LAMBDA = 8, 128, 256, 4, 1e-3, 0.98, 0.95
STEPS = 30 * COUNT * ROLLOUT
ROUNDS = 3
Learn = Callable[[str, int], tuple[float, float]]  # (environment, seed) -> (steps a second, recent mean return)


def reference(environment: str, seed: int) -> tuple[float, float]:
    config = PPOConfig(rollout_steps=ROLLOUT, minibatch_size=BATCH, epochs=EPOCHS, gamma=GAMMA, learning_rate=RATE)
    trainer = start(Setup(environment, seed=seed, environments=COUNT), config, PPO, STEPS)
    began = time.perf_counter()
    while trainer.steps < STEPS:
        metrics = PPO.iterate(trainer)
    return trainer.steps / (time.perf_counter() - began), metrics["return"]


def sb3(environment: str, seed: int) -> tuple[float, float]:
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecMonitor

    native = environment.startswith("native/")
    vector = VecMonitor(NativeVecEnv(COUNT)) if native else make_vec_env(environment, COUNT, seed=seed)
    model = stable_baselines3.PPO(
        "MlpPolicy",
        vector,
        n_steps=ROLLOUT,
        batch_size=BATCH,
        n_epochs=EPOCHS,
        learning_rate=lambda left: RATE * left,
        gamma=GAMMA,
        gae_lambda=LAMBDA,
        seed=seed,
        device="cpu",
    )
    began = time.perf_counter()
    model.learn(STEPS)
    speed = model.num_timesteps / (time.perf_counter() - began)
    return speed, float(np.mean([episode["r"] for episode in model.ep_info_buffer]))


class NativeVecEnv(stable_baselines3.common.vec_env.VecEnv):
    """Our NumPy CartPole as stable-baselines3 wants it."""

    def __init__(self, count: int) -> None:
        self._inner = make_environments("native/CartPole-v1", count)
        space = gymnasium.spaces.Box(-np.inf, np.inf, (4,), np.float32)
        super().__init__(count, space, gymnasium.spaces.Discrete(2))

    def reset(self):
        return self._inner.reset(0)

    def step_async(self, actions):
        self._actions = actions

    def step_wait(self):
        step = self._inner.step(self._actions)
        infos = [{} for _ in range(self.num_envs)]
        ended = step.terminated | step.truncated
        for i in np.flatnonzero(ended):
            infos[i] = {"terminal_observation": step.next_observation[i], "TimeLimit.truncated": step.truncated[i]}
        return step.observation, step.reward, ended, infos

    def close(self):
        pass

    def get_attr(self, name, indices=None):
        return [None] * self.num_envs

    def set_attr(self, name, value, indices=None):
        raise NotImplementedError

    def env_method(self, name, *args, indices=None, **kwargs):
        raise NotImplementedError

    def env_is_wrapped(self, wrapper, indices=None):
        return [False] * self.num_envs


def vector_for_script(environment: str):
    """gymnasium's own vector environment, or ours with the same five results of `step`."""
    if not environment.startswith("native/"):
        vector = gymnasium.make_vec(environment, COUNT, vectorization_mode="sync")
        return (lambda: vector.reset(seed=0)[0]), (lambda action: vector.step(action)[:4])
    inner = make_environments(environment, COUNT)

    def step(action):
        result = inner.step(action)
        return result.observation, result.reward, result.terminated, result.truncated

    return (lambda: inner.reset(0)), step


def cleanrl_manner(environment: str, seed: int) -> tuple[float, float]:
    """One function from top to bottom, with torch.distributions and a tensor for every column, as such scripts are."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    reset, step = vector_for_script(environment)
    mlp = lambda out: nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, out))
    actor, critic = mlp(2), mlp(1)
    for network, gain in ((actor, 0.01), (critic, 1.0)):
        for layer in network:
            if isinstance(layer, nn.Linear):
                nn.init.orthogonal_(layer.weight, gain if layer is network[-1] else 2**0.5)
                nn.init.zeros_(layer.bias)
    parameters = [*actor.parameters(), *critic.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=RATE, eps=1e-5)
    obs, actions = torch.zeros(ROLLOUT, COUNT, 4), torch.zeros(ROLLOUT, COUNT)
    log_probs, rewards, dones, values = (torch.zeros(ROLLOUT, COUNT) for _ in range(4))
    running, finished = np.zeros(COUNT), []
    began = time.perf_counter()
    next_obs, next_done = torch.as_tensor(reset(), dtype=torch.float32), torch.zeros(COUNT)
    updates = STEPS // (COUNT * ROLLOUT)
    for update in range(updates):
        optimiser.param_groups[0]["lr"] = RATE * (1 - update / updates)
        for t in range(ROLLOUT):
            obs[t], dones[t] = next_obs, next_done
            with torch.no_grad():
                distribution = torch.distributions.Categorical(logits=actor(next_obs))
                action = distribution.sample()
                values[t], actions[t] = critic(next_obs).flatten(), action
                log_probs[t] = distribution.log_prob(action)
            observation, reward, terminated, truncated = step(action.numpy())
            rewards[t] = torch.as_tensor(reward)
            done = np.logical_or(terminated, truncated)
            running += reward
            finished.extend(running[done])
            running[done] = 0
            next_obs, next_done = torch.as_tensor(observation, dtype=torch.float32), torch.as_tensor(done).float()
        with torch.no_grad():
            next_value, advantages, last = critic(next_obs).flatten(), torch.zeros_like(rewards), 0
            for t in reversed(range(ROLLOUT)):
                alive = 1.0 - (next_done if t == ROLLOUT - 1 else dones[t + 1])
                following = next_value if t == ROLLOUT - 1 else values[t + 1]
                delta = rewards[t] + GAMMA * following * alive - values[t]
                advantages[t] = last = delta + GAMMA * LAMBDA * alive * last
            returns = advantages + values
        flat = [x.reshape(ROLLOUT * COUNT, *x.shape[2:]) for x in (obs, actions, log_probs, advantages, returns)]
        order = np.arange(ROLLOUT * COUNT)
        for _ in range(EPOCHS):
            np.random.shuffle(order)
            for first in range(0, len(order), BATCH):
                o, a, old, adv, ret = (x[order[first : first + BATCH]] for x in flat)
                distribution = torch.distributions.Categorical(logits=actor(o))
                log_ratio = distribution.log_prob(a) - old
                ratio = log_ratio.exp()
                with torch.no_grad():
                    ((ratio - 1) - log_ratio).mean()
                    ((ratio - 1.0).abs() > 0.2).float().mean().item()
                adv = (adv - adv.mean()) / (adv.std() + 1e-8)
                policy_loss = torch.max(-adv * ratio, -adv * torch.clamp(ratio, 0.8, 1.2)).mean()
                value_loss = ((critic(o).flatten() - ret) ** 2).mean()
                loss = policy_loss - 0.0 * distribution.entropy().mean() + 0.5 * value_loss
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, 0.5)
                optimiser.step()
    return STEPS / (time.perf_counter() - began), float(np.mean(finished[-100:]))


SIDES: dict[str, Learn] = {"reference": reference, "stable-baselines3": sb3, "CleanRL manner": cleanrl_manner}


@pytest.mark.skipif("PPO_AUDIT_BENCH" not in os.environ, reason="takes a minute; set PPO_AUDIT_BENCH=1")
@pytest.mark.parametrize("environment", ["CartPole-v1", "native/CartPole-v1"])
def test_the_reference_is_at_least_twice_as_fast_as_both(environment, capsys):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    speeds: dict[str, list[float]] = {name: [] for name in SIDES}
    returns: dict[str, list[float]] = {name: [] for name in SIDES}
    for seed in range(ROUNDS):
        for name, learn in SIDES.items():
            speed, mean_return = learn(environment, seed)
            speeds[name].append(speed)
            returns[name].append(mean_return)
    torch.set_num_threads(threads)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    with capsys.disabled():
        print(f"\n{environment}: {STEPS:,} steps, median of {ROUNDS} interleaved rounds")
        for name, median in medians.items():
            share = medians["reference"] / median
            learnt = statistics.mean(returns[name])
            print(f"  {name:18} {median:9,.0f} steps/s   reference is {share:4.2f} x   return {learnt:6.1f}")
    assert medians["reference"] >= 2.0 * max(medians["stable-baselines3"], medians["CleanRL manner"])
