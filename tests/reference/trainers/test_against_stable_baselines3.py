"""One recorded rollout and one permutation through ours and through stable-baselines3: the same parameters.

Value clipping is left out: there the semantics differ (stable-baselines3 takes the clipped loss, not the maximum).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ppo_audit.reference.trainers import ppo
from ppo_audit.reference.trainers.ppo import PPO, PPOConfig
from ppo_audit.reference.trainers.samples import samples_of
from ppo_audit.reference.trainers.trainer import Setup, start

stable_baselines3 = pytest.importorskip("stable_baselines3")

STEPS, COUNT, BATCH = 32, 4, 48  # 128 samples: the last minibatch is a remainder


def theirs_for(environment, config, epochs):
    from stable_baselines3.common.env_util import make_vec_env

    return stable_baselines3.PPO(
        "MlpPolicy",
        make_vec_env(environment, COUNT, seed=0),
        n_steps=STEPS,
        batch_size=BATCH,
        n_epochs=epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        learning_rate=config.learning_rate,
        ent_coef=config.entropy_coef,
        device="cpu",
    )


def copy_parameters(ours, theirs):
    """Their policy gets our weights: actor body, critic body, heads, log standard deviations."""
    pairs = [
        (ours.actor_body, theirs.mlp_extractor.policy_net),
        (ours.critic[0], theirs.mlp_extractor.value_net),
        (ours.critic[1], theirs.value_net),
        (ours.head.output, theirs.action_net),
    ]
    for mine, other in pairs:
        other.load_state_dict(mine.state_dict())
    if hasattr(theirs, "log_std"):
        theirs.log_std.data.copy_(ours.head.log_std.data)
        pairs.append((ours.head.log_std, theirs.log_std))
    return pairs


def fill_their_buffer(theirs, trainer, rollout):
    """Time limits are folded into the reward, as SB3 does it: r + γ V(final observation)."""
    steps, buffer = rollout.trajectory, theirs.rollout_buffer
    buffer.reset()
    ended = steps.terminated | steps.truncated
    reward = steps.reward + trainer.config.gamma * torch.where(steps.truncated, rollout.value_next, 0.0)
    starts = torch.cat([torch.ones(1, COUNT, dtype=torch.bool), ended[:-1]])
    for t in range(STEPS):
        buffer.add(
            steps.observation[t].numpy(),
            steps.action[t].numpy(),
            reward[t].numpy(),
            starts[t].numpy(),
            rollout.value_old[t],
            rollout.log_prob_old[t],
        )
    buffer.compute_returns_and_advantage(rollout.value_next[-1], ended[-1].numpy())


def environment_major(samples):
    """SB3 lays a rollout out environment by environment, we step by step."""
    swap = lambda x: x.unflatten(0, (STEPS, COUNT)).transpose(0, 1).flatten(0, 1)
    return type(samples)(*(None if x is None else swap(x) for x in samples))


class FixedPermutations:
    """Stands for a random generator on both sides."""

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def permutation(self, n):
        return self._rng.permutation(n)


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize("environment", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("epochs", [1, 3])
def test_an_update_ends_at_the_same_parameters(environment, epochs, monkeypatch):
    config = PPOConfig(
        rollout_steps=STEPS,
        minibatch_size=BATCH,
        epochs=epochs,
        learning_rate=1e-3,
        schedule="constant",
        entropy_coef=0.01,
    )
    trainer = start(Setup(environment, environments=COUNT), config, PPO, 100_000)
    theirs = theirs_for(environment, config, epochs)
    pairs = copy_parameters(trainer.network, theirs.policy)
    rollout = ppo.next_rollout(trainer, STEPS)
    fill_their_buffer(theirs, trainer, rollout)
    samples = environment_major(samples_of(rollout, config.gamma, config.gae_lambda))
    expected = theirs.rollout_buffer.advantages.T.flatten()
    assert samples.advantage.numpy() == pytest.approx(expected, abs=2e-5 * max(1.0, float(abs(expected).max())))

    theirs._setup_learn(1000)
    monkeypatch.setattr(np.random, "permutation", FixedPermutations(3).permutation)
    theirs.train()
    trainer.rng = FixedPermutations(3)
    objective = lambda terms: ppo.clipped_surrogate(terms.ratio, terms.advantage, 0.2)
    ppo.learn(trainer, config, samples, objective, ppo.critic_of(config))
    for mine, other in pairs:
        mine, other = ([x] if isinstance(x, torch.Tensor) else list(x.parameters()) for x in (mine, other))
        for a, b in zip(mine, other, strict=True):
            assert (a - b).abs().max().item() < epochs * 1e-5
