"""PPO with an adaptive penalty on the exact KL instead of a clip (arXiv:1707.06347, section 4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ppo_audit.reference.surrogates import kl_penalty_surrogate
from ppo_audit.reference.trainers.ppo import PolicyTerms, PPOConfig, critic_of, learn, next_rollout
from ppo_audit.reference.trainers.samples import samples_of
from ppo_audit.reference.trainers.trainer import Algorithm, Metrics, Trainer
from ppo_audit.reference.values import explained_variance

COEFFICIENT_RANGE = (1e-4, 1e4)  # wide enough never to matter in a healthy run, finite so that β recovers


@dataclass(frozen=True)
class PPOKLConfig:
    """PPO's options without its clip, and those of the penalty."""

    ppo: PPOConfig = field(default_factory=PPOConfig)
    penalty_target: float = 0.01  # d_targ
    penalty_coef: float = 1.0  # β of the first update


def iterate(trainer: Trainer) -> Metrics:
    """One rollout and one update, then the coefficient follows the KL that the update caused."""
    config: PPOKLConfig = trainer.config
    samples = samples_of(next_rollout(trainer, config.ppo.rollout_steps), config.ppo.gamma, config.ppo.gae_lambda)
    coef = trainer.adaptive.get("kl_coef", config.penalty_coef)

    def objective(terms: PolicyTerms) -> Tensor:
        kl = trainer.family.kl(terms.parameters_old, terms.parameters)
        return kl_penalty_surrogate(terms.ratio, terms.advantage, kl, coef)

    metrics = learn(trainer, config.ppo, samples, objective, critic_of(config.ppo))
    metrics["explained_variance"] = explained_variance(samples.value_old, samples.return_).item()
    metrics["kl_coef"] = coef
    trainer.adaptive["kl_coef"] = adapted_coefficient(coef, metrics["kl"], config.penalty_target)
    return metrics


def adapted_coefficient(coef: float, kl: float, target: float) -> float:
    """The next β.

    d < d_targ / 1.5 ⇒ β ← β / 2;  d > 1.5 · d_targ ⇒ β ← 2 β

    PPO (arXiv:1707.06347), section 4.
    """
    if kl < target / 1.5:
        coef /= 2.0
    elif kl > 1.5 * target:
        coef *= 2.0
    return min(max(coef, COEFFICIENT_RANGE[0]), COEFFICIENT_RANGE[1])


PPO_KL = Algorithm("ppo-kl", PPOKLConfig, iterate)
