"""Adaptive-KL PPO, TRPO, the quantile critic with CVaR, and the AWR mix."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ppo_audit.reference.trainers import awr, ppo, ppo_kl, quantile, trpo
from ppo_audit.reference.trainers.evaluation import evaluate_policy
from ppo_audit.reference.trainers.ppo import PPOConfig
from ppo_audit.reference.trainers.rollout import Rollout, Trajectory
from ppo_audit.reference.trainers.samples import samples_of
from ppo_audit.reference.trainers.trainer import Setup, start
from tests.reference.trainers import probes

probes.register()
METRICS = frozenset(
    "policy_loss value_loss explained_variance entropy kl approx_kl kl_difference clip_fraction ratio_min ratio_max "
    "nonfinite_ratios return".split()
)
FAST = PPOConfig(rollout_steps=32, minibatch_size=64, learning_rate=5e-3, schedule="constant")


def trained(algorithm, config, environment="ProbeSeenActionReward-v0", updates=40, **setup):
    trainer = start(Setup(environment, hidden=(16,), **setup), config, algorithm, updates * 256)
    for _ in range(updates):
        metrics = algorithm.iterate(trainer)
    return trainer, metrics


@pytest.mark.parametrize(
    ("algorithm", "config"),
    [
        (ppo_kl.PPO_KL, ppo_kl.PPOKLConfig(FAST)),
        (trpo.TRPO, trpo.TRPOConfig(rollout_steps=32)),
        (quantile.QUANTILE, quantile.QuantileConfig(FAST)),
        (awr.AWR, awr.AWRConfig(FAST)),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
@pytest.mark.parametrize("environment", ["ProbeSeenActionReward-v0", "ProbeTarget-v0"])
def test_every_relative_solves_a_discrete_and_a_continuous_probe(algorithm, config, environment):
    trainer, metrics = trained(algorithm, config, environment)
    assert metrics.keys() >= METRICS
    assert evaluate_policy(trainer, 20).mean > (0.99 if "Seen" in environment else -0.1)


class TestAdaptiveKL:
    @pytest.mark.parametrize(("kl", "expected"), [(0.001, 0.5), (0.0067, 1.0), (0.0149, 1.0), (0.02, 2.0)])
    def test_the_coefficient_halves_doubles_or_stays_by_the_papers_thresholds(self, kl, expected):
        assert ppo_kl.adapted_coefficient(1.0, kl, 0.01) == expected

    def test_the_coefficient_stays_within_finite_bounds(self):
        low, high = 1.0, 1.0
        for _ in range(100):
            low, high = (ppo_kl.adapted_coefficient(c, kl, 0.01) for c, kl in ((low, 0.0), (high, 1.0)))
        assert (low, high) == ppo_kl.COEFFICIENT_RANGE

    def test_a_large_coefficient_holds_the_policy_nearer_than_a_small_one(self):
        kls = []
        for coef in (0.01, 100.0):
            config = ppo_kl.PPOKLConfig(replace(FAST, epochs=10), penalty_coef=coef)
            _, metrics = trained(ppo_kl.PPO_KL, config, "CartPole-v1", updates=1)
            kls.append(metrics["kl"])
        assert kls[1] < kls[0] / 3


class TestTRPO:
    def trainer_and_samples(self, environment="CartPole-v1", max_kl=0.01):
        config = trpo.TRPOConfig(rollout_steps=64, max_kl=max_kl)
        trainer = start(Setup(environment), config, trpo.TRPO, 10_000)
        return trainer, samples_of(ppo.next_rollout(trainer, 64), 0.99, 0.95)

    @pytest.mark.parametrize("environment", ["CartPole-v1", "Pendulum-v1"])
    @pytest.mark.parametrize("max_kl", [0.001, 0.01, 0.1])
    def test_the_step_satisfies_the_bound_on_the_exact_kl_and_improves_the_surrogate(self, environment, max_kl):
        trainer, samples = self.trainer_and_samples(environment, max_kl)
        before, _ = trpo.surrogate_and_kl(trainer, samples)
        metrics = trpo.natural_step(trainer, samples)
        after, kl = trpo.surrogate_and_kl(trainer, samples)
        assert 0.2 * max_kl < kl.item() <= max_kl
        assert after.item() - before.item() == pytest.approx(metrics["surrogate_gain"], rel=1e-5)
        assert metrics["surrogate_gain"] > 0

    def test_conjugate_gradient_solves_a_positive_definite_system(self):
        generator = torch.Generator().manual_seed(0)
        root = torch.randn(12, 12, generator=generator, dtype=torch.float64)
        matrix = root @ root.T + torch.eye(12, dtype=torch.float64)
        b = torch.randn(12, generator=generator, dtype=torch.float64)
        x = trpo.conjugate_gradient(lambda v: matrix @ v, b, 12)
        assert torch.allclose(x, torch.linalg.solve(matrix, b), atol=1e-4)

    def test_the_fisher_product_is_a_finite_difference_of_the_kls_gradient(self):
        trainer, samples = self.trainer_and_samples()
        trainer.network.double()
        samples = type(samples)(*(x.double() if x is not None and x.is_floating_point() else x for x in samples))
        actor = [*trainer.network.actor_body.parameters(), *trainer.network.head.parameters()]
        with torch.no_grad():
            parameters = trainer.network.policy(samples.observation)
        samples = samples._replace(parameters_old=parameters)
        kl = lambda: trpo.surrogate_and_kl(trainer, samples)[1]
        start_at = torch.cat([p.detach().reshape(-1) for p in actor])
        v = torch.randn(len(start_at), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        exact = trpo.fisher_product(kl(), actor, v)
        step, gradients = 1e-5, []
        for sign in (1, -1):
            trpo.write(actor, start_at + sign * step * v)
            gradients.append(trpo.flat_gradient(kl(), actor))
        assert torch.allclose(exact, (gradients[0] - gradients[1]) / (2 * step), atol=1e-6)

    def test_fitting_the_critic_leaves_the_actor_alone(self):
        trainer, samples = self.trainer_and_samples()
        before = [p.clone() for p in trainer.network.actor_body.parameters()]
        trpo.fit_critic(trainer, samples)
        assert all(torch.equal(a, b) for a, b in zip(before, trainer.network.actor_body.parameters(), strict=True))

    def test_a_shared_network_is_refused(self):
        trainer = start(Setup("CartPole-v1", network="shared"), trpo.TRPOConfig(), trpo.TRPO, 1000)
        with pytest.raises(ValueError, match="TRPO needs network `separate`"):
            trpo.TRPO.iterate(trainer)


class TestQuantileCritic:
    def test_the_critic_learns_the_whole_distribution_of_a_risky_action(self):
        config = quantile.QuantileConfig(replace(FAST, rollout_steps=64), quantiles=20, kappa=0.01)
        trainer, _ = trained(quantile.QUANTILE, config, "ProbeRisk-v0", updates=80)
        with torch.no_grad():
            quantiles = trainer.network.value(torch.zeros(1, 1))[0].sort().values
        assert quantiles[:2].mean().item() == pytest.approx(-3.0, abs=0.4)
        assert quantiles[6:].mean().item() == pytest.approx(2.0, abs=0.2)

    @pytest.mark.parametrize(("weight", "best"), [(0.0, 1), (1.0, 0)])
    def test_the_mean_takes_the_risk_and_cvar_avoids_it(self, weight, best):
        config = quantile.QuantileConfig(replace(FAST, rollout_steps=64), cvar_weight=weight, cvar_alpha=0.25)
        trainer, _ = trained(quantile.QUANTILE, config, "ProbeRisk-v0", updates=60)
        assert trainer.act(np.zeros((1, 1), np.float32)).argmax() == best

    @pytest.mark.parametrize(("goes_on", "view"), [(True, "Monte Carlo"), (False, "one step")])
    def test_targets_are_monte_carlo_or_one_step_at_the_two_ends_of_lambda(self, goes_on, view):
        generator = torch.Generator().manual_seed(0)
        reward, theta = torch.randn(5, 1, generator=generator), torch.randn(5, 1, 3, generator=generator)
        terminated = torch.tensor([0, 0, 1, 0, 0]).bool().view(5, 1)
        truncated = torch.tensor([0, 1, 0, 0, 0]).bool().view(5, 1)
        steps = Trajectory(reward, reward, reward, reward, terminated, truncated, None)
        rollout = Rollout(steps, reward, reward, theta, theta)
        got = quantile.sampled_lambda_returns(rollout, torch.full((5, 1), goes_on), 0.5)
        r, th = reward[:, 0], theta[:, 0]
        expected_1 = r[1] + 0.5 * th[1]
        expected_3 = r[3] + 0.5 * (r[4] + 0.5 * th[4]) if goes_on else r[3] + 0.5 * th[3]
        expected_0 = r[0] + 0.5 * expected_1 if goes_on else r[0] + 0.5 * th[0]
        for t, expected in ((0, expected_0), (1, expected_1), (2, r[2].expand(3)), (3, expected_3)):
            assert torch.allclose(got[t, 0], expected), (view, t)

    def test_the_tail_advantage_punishes_only_returns_below_the_value_at_risk(self):
        quantiles = torch.arange(5.0).expand(3, 5)
        got = quantile.tail_advantage(torch.tensor([-1.0, 1.0, 9.0]), quantiles, 0.25)
        assert got.tolist() == [-8.0, 0.0, 0.0]


class TestAWRMix:
    def test_the_reported_ratio_is_that_of_the_two_gradients(self):
        metrics = [
            trained(awr.AWR, awr.AWRConfig(FAST, bc_coef=coef), "CartPole-v1", updates=1)[1] for coef in (0.1, 20.0)
        ]
        low, high = (m["bc_ppo_ratio"] for m in metrics)
        assert high == pytest.approx(200.0 * low, rel=1e-3)
        assert [m["bc_dominates"] for m in metrics] == [0.0, 1.0]

    def test_the_imitation_term_is_the_weighted_log_prob(self):
        config = awr.AWRConfig(FAST, bc_coef=0.5, temperature=2.0, weight_cap=3.0)
        advantage, log_prob = torch.tensor([0.0, 1.0, 9.0]), torch.tensor([-1.0, -2.0, -3.0])
        terms = ppo.PolicyTerms(log_prob.exp(), log_prob, advantage, log_prob, log_prob)
        got = awr.imitation_objective(config)(terms)
        assert got.tolist() == pytest.approx([-0.5, -math.exp(0.5), -4.5])
