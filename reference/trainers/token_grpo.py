"""GRPO on tokens as published (arXiv:2402.03300): several answers to each prompt, one ratio a token, masks.

A text is `[LENGTH]` tokens, prompt then answer; position p predicts token p + 1. One forward pass over whole texts
gives all log-probabilities of all answers; padding and prompts are masked out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ppo_audit.reference.distributions import categorical_log_prob
from ppo_audit.reference.kl import k3
from ppo_audit.reference.reductions import masked_constant_mean, masked_mean, masked_sequence_mean
from ppo_audit.reference.surrogates import asymmetric_clipped_surrogate, clip_fraction, linear_tail_ratio
from ppo_audit.reference.trainers.diagnostics import returns_of_episodes
from ppo_audit.reference.trainers.grpo import RELATIVE_TO_GROUP, collect_episodes
from ppo_audit.reference.trainers.networks import Network
from ppo_audit.reference.trainers.optimise import SCHEDULES, gradient_step
from ppo_audit.reference.trainers.ppo import done
from ppo_audit.reference.trainers.tokens import ANSWER_LENGTH, PADDING, PROMPT_LENGTH
from ppo_audit.reference.trainers.trainer import Algorithm, Metrics, Trainer

REDUCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sequence": masked_sequence_mean,  # GRPO
    "token": masked_mean,  # DAPO
    "constant": lambda x, mask: masked_constant_mean(x, mask, ANSWER_LENGTH),  # Dr. GRPO
}


@dataclass(frozen=True)
class TokenGRPOConfig:
    """The options of token-level GRPO; there are environments / group_size prompts an update."""

    group_size: int = 16
    minibatch_size: int = 128  # whole texts
    epochs: int = 2
    learning_rate: float = 1e-3
    schedule: str = "linear"
    clip_range_low: float = 0.2
    clip_range_high: float = 0.2
    advantage: str = "grpo"
    reduction: str = "sequence"  # or `token`, `constant`
    kl_coef: float = 0.0  # on k3 from the policy that the run began with, as published
    max_grad_norm: float = 1.0


class Texts(NamedTuple):
    """Whole texts and what the old policy thought of their answers."""

    tokens: Tensor  # [N, LENGTH]
    mask: Tensor  # [N, ANSWER_LENGTH] boolean: the answer's tokens, its end token included
    log_prob_old: Tensor  # [N, ANSWER_LENGTH]
    advantage: Tensor  # [N]


def iterate(trainer: Trainer) -> Metrics:
    """Answers to fresh prompts in groups, and one update."""
    config: TokenGRPOConfig = trainer.config
    trainer.optimiser.learning_rate = SCHEDULES[config.schedule](config.learning_rate, done(trainer))
    texts, reward = answered_texts(trainer, config)
    trainer.steps += int(texts.mask.sum())
    norms = []
    for _ in range(config.epochs):
        order = torch.from_numpy(trainer.rng.permutation(len(texts.tokens)))
        for index in order.split(config.minibatch_size):
            batch = Texts(*(x[index] for x in texts))
            norms.append(gradient_step(trainer, token_loss(trainer, config, batch), config.max_grad_norm))
    trainer.updates += 1
    exact = float((reward == 1.0).float().mean())
    return {**returns_of_episodes(trainer), "exact": exact, "gradient_norm": max(norms), **change(trainer, texts)}


def answered_texts(trainer: Trainer, config: TokenGRPOConfig) -> tuple[Texts, Tensor]:
    """One answer from every environment, with its advantage inside its prompt's group."""
    trajectory, valid = collect_episodes(trainer, config.group_size)
    reward = torch.where(valid, trajectory.reward, 0.0).sum(0)
    last = valid.sum(0) - 1
    tokens = trajectory.next_observation[last, torch.arange(len(last))]
    mask = tokens[:, PROMPT_LENGTH:] != PADDING
    advantage = RELATIVE_TO_GROUP[config.advantage](reward.view(-1, config.group_size)).flatten()
    with torch.no_grad():
        log_prob_old = answer_log_probs(trainer.network, tokens)
    return Texts(tokens, mask, log_prob_old, advantage), reward


def answer_log_probs(network: Network, tokens: Tensor) -> Tensor:
    """log π(y_t | x, y_<t) of every answer token, `[N, ANSWER_LENGTH]`; what stands at padding means nothing."""
    logits = network.all_logits(tokens)[:, PROMPT_LENGTH - 1 : -1]
    answer = tokens[:, PROMPT_LENGTH:]
    # padding is no action: any legal index will do where the mask is off
    return categorical_log_prob(logits, torch.where(answer == PADDING, 0, answer))


def token_loss(trainer: Trainer, config: TokenGRPOConfig, batch: Texts) -> Tensor:
    """−(1/N) Σ_i (1/|y_i|) Σ_t [ min(r_it A_i, clip(r_it) A_i) − β k3_it ]

    GRPO (arXiv:2402.03300), equations 3 and 4; the outer means by the reduction chosen.
    """
    log_prob = answer_log_probs(trainer.network, batch.tokens)
    ratio = linear_tail_ratio(log_prob, batch.log_prob_old)
    advantage = batch.advantage.unsqueeze(1).expand_as(ratio)
    loss = -asymmetric_clipped_surrogate(ratio, advantage, config.clip_range_low, config.clip_range_high)
    if config.kl_coef:
        with torch.no_grad():
            log_prob_reference = answer_log_probs(trainer.reference, batch.tokens)
        loss = loss + config.kl_coef * k3(log_prob, log_prob_reference)
    return REDUCTIONS[config.reduction](loss, batch.mask)


@torch.no_grad()
def change(trainer: Trainer, texts: Texts) -> Metrics:
    """How far the policy has moved on the answers' tokens."""
    log_prob = answer_log_probs(trainer.network, texts.tokens)
    ratio = linear_tail_ratio(log_prob, texts.log_prob_old)
    fraction = clip_fraction(ratio, trainer.config.clip_range_high, texts.mask)
    return {
        "approx_kl": masked_mean(k3(texts.log_prob_old, log_prob), texts.mask).item(),
        "clip_fraction": fraction.item(),
        "answer_length": texts.mask.sum(1).float().mean().item(),
    }


TOKEN_GRPO = Algorithm("grpo-tokens", TokenGRPOConfig, iterate)
