"""PPO: its gradient, its options, the probe environments, and stable-baselines3 as an independent form."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ppo_audit.reference.trainers import ppo
from ppo_audit.reference.trainers.evaluation import evaluate_policy, sampled
from ppo_audit.reference.trainers.ppo import PPO, PPOConfig
from ppo_audit.reference.trainers.samples import minibatches, samples_of
from ppo_audit.reference.trainers.trainer import Setup, start
from ppo_audit.reference.values import clipped_value_loss
from tests.reference.trainers import probes

probes.register()
FAST = PPOConfig(rollout_steps=32, minibatch_size=64, learning_rate=5e-3, schedule="constant")


def trained(probe: str, updates: int = 40, config: PPOConfig = FAST, **setup):
    trainer = start(Setup(f"Probe{probe}-v0", hidden=(16,), **setup), config, PPO, updates * 256)
    for _ in range(updates):
        PPO.iterate(trainer)
    return trainer


@torch.no_grad()
def value(trainer, *observation):
    return trainer.network.value(torch.tensor([observation])).item()


class TestProbeEnvironments:
    def test_a_constant_reward_is_valued_1(self):
        assert value(trained("ConstantReward"), 0.0) == pytest.approx(1.0, abs=0.05)

    def test_a_reward_that_is_seen_is_valued_as_seen(self):
        trainer = trained("SeenReward")
        assert value(trainer, 1.0) == pytest.approx(1.0, abs=0.1)
        assert value(trainer, -1.0) == pytest.approx(-1.0, abs=0.1)

    def test_a_reward_one_step_away_is_valued_gamma(self):
        trainer = trained("DelayedReward", config=replace(FAST, gamma=0.5))
        assert value(trainer, 0.0) == pytest.approx(0.5, abs=0.07)
        assert value(trainer, 1.0) == pytest.approx(1.0, abs=0.07)

    def test_an_endless_reward_cut_off_every_ten_steps_is_valued_1_over_1_minus_gamma(self):
        trainer = trained("EndlessReward", updates=80, config=replace(FAST, gamma=0.8))
        assert value(trainer, 0.0) == pytest.approx(5.0, rel=0.05)

    @pytest.mark.parametrize(
        ("probe", "best"),
        [("ActionReward", 1.0), ("SeenActionReward", 1.0), ("MaskedActionReward", 1.0), ("TwoChoices", 2.0)],
    )
    def test_the_right_action_is_learnt(self, probe, best):
        trainer = trained(probe)
        assert evaluate_policy(trainer, 50).mean == best
        assert evaluate_policy(trainer, 200, sampled).mean > best - 0.15

    @pytest.mark.parametrize("policy", ["plain", "squashed"])
    @pytest.mark.parametrize("network", ["separate", "shared"])
    def test_a_continuous_target_is_hit(self, policy, network):
        trainer = trained("Target", policy=policy, network=network)
        assert evaluate_policy(trainer, 4).mean > -0.05


class TestOneUpdate:
    def trainer_and_batch(self, config=FAST, environment="CartPole-v1", **setup):
        trainer = start(Setup(environment, environments=4, **setup), config, PPO, 10_000)
        samples = samples_of(ppo.next_rollout(trainer, config.rollout_steps), config.gamma, config.gae_lambda)
        return trainer, samples

    def losses(self, trainer, batch, config=FAST, clip_range=0.2):
        objective = lambda terms: ppo.clipped_surrogate(terms.ratio, terms.advantage, clip_range)
        return ppo.ppo_losses(trainer, config, batch, objective, ppo.critic_of(config))

    @pytest.mark.parametrize("environment", ["CartPole-v1", "Pendulum-v1"])
    @pytest.mark.parametrize("network", ["separate", "shared", "transformer"])
    def test_the_first_ratios_are_one_and_the_exact_kl_is_zero(self, environment, network):
        trainer, samples = self.trainer_and_batch(environment=environment, network=network)
        change = ppo.policy_change(trainer, samples, 0.2)
        assert change["ratio_min"] == pytest.approx(1.0, abs=1e-5)
        assert change["ratio_max"] == pytest.approx(1.0, abs=1e-5)
        assert abs(change["kl"]) < 1e-6
        assert change["clip_fraction"] == 0.0

    def test_the_total_is_policy_plus_value_less_entropy(self):
        config = replace(FAST, value_coef=0.7, entropy_coef=0.3)
        trainer, samples = self.trainer_and_batch(config)
        losses = self.losses(trainer, samples, config)
        entropy = trainer.family.entropy(samples.parameters_old).mean()
        expected = losses.policy + 0.7 * losses.value - 0.3 * entropy
        assert losses.total.item() == pytest.approx(expected.item(), abs=1e-5)

    def test_a_zero_entropy_coefficient_computes_no_entropy(self, monkeypatch):
        trainer, samples = self.trainer_and_batch()
        monkeypatch.setattr(type(trainer.family), "entropy", lambda *_: pytest.fail("entropy was computed"))
        self.losses(trainer, samples)

    def test_the_value_clip_option_uses_the_clipped_value_loss(self):
        config = replace(FAST, value_clip_range=0.05)
        trainer, samples = self.trainer_and_batch(config)
        predicted = trainer.network.value(samples.observation)
        moved = samples._replace(value_old=samples.value_old - 1.0)
        expected = clipped_value_loss(predicted, moved.value_old, moved.return_, 0.05).mean()
        assert self.losses(trainer, moved, config).value.item() == pytest.approx(expected.item(), rel=1e-5)

    def test_the_exact_kl_stops_the_update_before_the_step_that_would_go_too_far(self):
        config = replace(FAST, learning_rate=0.05, target_kl=0.01, epochs=20)
        trainer = start(Setup("CartPole-v1", environments=4), config, PPO, 10_000)
        stopped = PPO.iterate(trainer)
        free = start(Setup("CartPole-v1", environments=4), replace(config, target_kl=None), PPO, 10_000)
        assert stopped["gradient_steps"] < PPO.iterate(free)["gradient_steps"] == 40

    def test_warm_up_trains_the_critic_only(self):
        config = replace(FAST, value_warmup=1)
        trainer = start(Setup("CartPole-v1"), config, PPO, 10_000)
        actor = [p.clone() for p in trainer.network.head.parameters()]
        critic = [p.clone() for p in trainer.network.critic.parameters()]
        PPO.iterate(trainer)
        assert all(torch.equal(a, b) for a, b in zip(actor, trainer.network.head.parameters(), strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(critic, trainer.network.critic.parameters(), strict=True))
        PPO.iterate(trainer)
        assert not torch.equal(actor[0], next(trainer.network.head.parameters()))

    @pytest.mark.parametrize(("fraction", "expected"), [(0.5, 0.22), (0.01, 0.2 / 1.1), (0.2, 0.2)])
    def test_the_clip_range_widens_above_the_band_and_narrows_below(self, fraction, expected):
        trainer, _ = self.trainer_and_batch()
        ppo.adapt_clip_range(trainer, fraction, (0.1, 0.3))
        assert trainer.adaptive["clip_range"] == pytest.approx(expected)
        for _ in range(30):
            ppo.adapt_clip_range(trainer, fraction, (0.1, 0.3))
        assert 0.1 <= trainer.adaptive["clip_range"] <= 0.4

    def test_a_non_finite_gradient_is_counted_and_not_stepped(self):
        trainer, _ = self.trainer_and_batch()
        before = trainer.flat.detach().clone()
        norm = ppo.gradient_step(trainer, trainer.network(torch.zeros(1, 4))[1].sum() * math.nan, 0.5)
        assert not math.isfinite(norm)
        assert torch.equal(before, trainer.flat.detach())
        assert ppo.summary([], [norm, 1.0])["nonfinite_gradients"] == 1.0

    def test_the_gradient_is_clipped_to_the_global_norm_in_its_direction(self):
        trainer, samples = self.trainer_and_batch()
        reference = torch.autograd.grad(self.losses(trainer, samples).total, list(trainer.network.parameters()))
        flat = torch.cat([g.reshape(-1) for g in reference])
        norm = ppo.gradient_step(trainer, self.losses(trainer, samples).total, 0.01)
        assert norm == pytest.approx(flat.norm().item(), rel=1e-5)
        assert torch.allclose(trainer.flat.grad, flat * 0.01 / flat.norm(), atol=1e-7)

    def test_minibatches_hold_every_sample_once_with_its_fields_together(self):
        _, samples = self.trainer_and_batch()
        marks = torch.arange(len(samples.advantage), dtype=torch.float32)
        samples = samples._replace(advantage=marks, return_=marks + 0.5)
        seen = list(minibatches(samples, 50, np.random.default_rng(0)))
        assert [len(batch.advantage) for batch in seen] == [50, 50, 28]
        joined = torch.cat([batch.advantage for batch in seen])
        assert torch.equal(joined.sort().values, marks)
        assert all(torch.equal(b.advantage + 0.5, b.return_) for b in seen)
        assert all(torch.equal(b.observation, samples.observation[b.advantage.long()]) for b in seen)


class TestSchedules:
    def test_the_learning_rate_falls_linearly_and_the_first_update_has_all_of_it(self):
        config = replace(FAST, schedule="linear", epochs=1)
        trainer = start(Setup("native/CartPole-v1"), config, PPO, 4 * 256)
        rates = []
        for _ in range(4):
            PPO.iterate(trainer)
            rates.append(trainer.optimiser.learning_rate)
        assert rates == pytest.approx([5e-3, 3.75e-3, 2.5e-3, 1.25e-3])


def test_the_same_seed_gives_the_same_run_and_another_does_not():
    runs = [trained("SeenActionReward", updates=3, seed=seed).flat.detach() for seed in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_actor_in_numpy_is_the_actor_in_torch_after_updates_too():
    for name in ("CartPole-v1", "Pendulum-v1"):
        trainer = start(Setup(name), FAST, PPO, 10_000)
        PPO.iterate(trainer)
        observation = trainer.collector.observation
        with torch.no_grad():
            expected = trainer.network.policy(torch.from_numpy(observation)).numpy()
        assert trainer.act(observation) == pytest.approx(expected, abs=1e-5)


def test_cartpole_is_learnt_in_20k_steps():
    config = PPOConfig(learning_rate=2.5e-3, gamma=0.98, rollout_steps=64)
    trainer = start(Setup("native/CartPole-v1"), config, PPO, 20_480)
    while trainer.steps < trainer.total_steps:
        PPO.iterate(trainer)
    assert evaluate_policy(trainer, 20).mean > 195
