"""TRPO (arXiv:1502.05477): the largest step along the natural gradient whose exact KL stays within a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ppo_audit.reference.advantages import normalise_batch
from ppo_audit.reference.surrogates import linear_tail_ratio, policy_gradient_surrogate
from ppo_audit.reference.trainers.diagnostics import policy_change, returns_of_episodes
from ppo_audit.reference.trainers.networks import SeparateNetwork
from ppo_audit.reference.trainers.optimise import gradient_step
from ppo_audit.reference.trainers.ppo import mean, next_rollout
from ppo_audit.reference.trainers.rollout import policy_parameters
from ppo_audit.reference.trainers.samples import Samples, minibatches, samples_of
from ppo_audit.reference.trainers.trainer import Algorithm, Metrics, Trainer
from ppo_audit.reference.values import explained_variance, value_loss

CLIP_RANGE_OF_METRIC = 0.2  # TRPO clips nothing; the fraction outside is reported to compare with PPO


@dataclass(frozen=True)
class TRPOConfig:
    """The options of TRPO."""

    rollout_steps: int = 128
    gamma: float = 0.99
    gae_lambda: float = 0.95
    max_kl: float = 0.01  # δ
    conjugate_steps: int = 10
    damping: float = 0.1
    backtrack: float = 0.8
    backtracks: int = 10
    learning_rate: float = 1e-3  # of the critic
    value_epochs: int = 10
    minibatch_size: int = 128
    max_grad_norm: float = 10.0


def iterate(trainer: Trainer) -> Metrics:
    """One rollout, one natural step of the actor, some epochs of the critic."""
    if not isinstance(trainer.network, SeparateNetwork):
        raise ValueError("TRPO needs network `separate`: fitting a shared critic would move the policy past its bound")
    config: TRPOConfig = trainer.config
    samples = samples_of(next_rollout(trainer, config.rollout_steps), config.gamma, config.gae_lambda)
    metrics = natural_step(trainer, samples)
    metrics["value_loss"] = fit_critic(trainer, samples)
    trainer.updates += 1
    metrics["explained_variance"] = explained_variance(samples.value_old, samples.return_).item()
    return {**returns_of_episodes(trainer), **metrics, **policy_change(trainer, samples, CLIP_RANGE_OF_METRIC)}


def natural_step(trainer: Trainer, samples: Samples) -> Metrics:
    """Solve F x = g, scale to the bound, and shorten until the exact KL holds and the surrogate has improved.

    θ ← θ + αʲ √(2δ / xᵀFx) x

    TRPO (arXiv:1502.05477), appendix C.
    """
    config: TRPOConfig = trainer.config
    actor = [*trainer.network.actor_body.parameters(), *trainer.network.head.parameters()]
    surrogate, _ = surrogate_and_kl(trainer, samples)
    gradient = flat_gradient(surrogate, actor)
    if not gradient.any():
        return {"policy_loss": -surrogate.item(), "surrogate_gain": 0.0, "step_share": 0.0}

    def times_fisher(v: Tensor) -> Tensor:
        return fisher_product(surrogate_and_kl(trainer, samples)[1], actor, v) + config.damping * v

    direction = conjugate_gradient(times_fisher, gradient, config.conjugate_steps)
    length = (2.0 * config.max_kl / direction.dot(times_fisher(direction))).sqrt()
    start = torch.cat([p.detach().reshape(-1) for p in actor])
    for j in range(config.backtracks):
        share = config.backtrack**j
        write(actor, start + share * length * direction)
        with torch.no_grad():
            gained, kl = surrogate_and_kl(trainer, samples)
        if kl <= config.max_kl and gained > surrogate:
            return {
                "policy_loss": -gained.item(),
                "surrogate_gain": (gained - surrogate).item(),
                "step_share": share,
            }
    write(actor, start)
    return {"policy_loss": -surrogate.item(), "surrogate_gain": 0.0, "step_share": 0.0}


def surrogate_and_kl(trainer: Trainer, samples: Samples) -> tuple[Tensor, Tensor]:
    """E[r A] and E[KL(π_old ‖ π)]: TRPO, equation 14."""
    parameters = policy_parameters(trainer.network, samples.observation, samples.action_mask)
    r = linear_tail_ratio(trainer.family.log_prob(parameters, samples.action), samples.log_prob_old)
    surrogate = policy_gradient_surrogate(r, normalise_batch(samples.advantage)).mean()
    return surrogate, trainer.family.kl(samples.parameters_old, parameters).mean()


def fisher_product(kl: Tensor, actor: list[Tensor], v: Tensor) -> Tensor:
    """F v, F the Hessian of the KL at the old policy, by differentiating (∇KL)ᵀv."""
    gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(kl, actor, create_graph=True)])
    return flat_gradient(gradient.dot(v), actor)


def conjugate_gradient(times: Callable[[Tensor], Tensor], b: Tensor, steps: int) -> Tensor:
    """x with times(x) ≈ b, for a positive definite map (Hestenes and Stiefel 1952)."""
    x, residual, direction = torch.zeros_like(b), b.clone(), b.clone()
    squared = residual.dot(residual)
    for _ in range(steps):
        product = times(direction)
        step = squared / direction.dot(product)
        x, residual = x + step * direction, residual - step * product
        squared, before = residual.dot(residual), squared
        if squared <= 1e-10 * b.dot(b):
            break
        direction = residual + squared / before * direction
    return x


def flat_gradient(y: Tensor, parameters: list[Tensor]) -> Tensor:
    """dy/dθ as one vector."""
    gradients = torch.autograd.grad(y, parameters, allow_unused=True)
    pairs = zip(gradients, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for g, p in pairs])


@torch.no_grad()
def write(parameters: list[Tensor], vector: Tensor) -> None:
    """Copy a vector into the parameters, in place: they are views of the trainer's flat vector."""
    for p, piece in zip(parameters, vector.split([p.numel() for p in parameters]), strict=True):
        p.copy_(piece.view_as(p))


def fit_critic(trainer: Trainer, samples: Samples) -> float:
    """Regress the values on the returns; the mean loss. The actor's gradient is zero, so Adam leaves it alone."""
    config: TRPOConfig = trainer.config
    trainer.optimiser.learning_rate = config.learning_rate
    losses = []
    for _ in range(config.value_epochs):
        for batch in minibatches(samples, config.minibatch_size, trainer.rng):
            loss = value_loss(trainer.network.value(batch.observation), batch.return_).mean()
            losses.append(loss.item())
            gradient_step(trainer, loss, config.max_grad_norm)
    return mean(losses)


TRPO = Algorithm("trpo", TRPOConfig, iterate)
