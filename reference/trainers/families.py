"""Families of action distributions. One tensor `[..., P]` of parameters says all about a distribution.

So a rollout can keep the *old distributions*, and exact KL is available in every update. Sampling is done in NumPy
with noise drawn beforehand: a rollout asks for one action a step, where torch's overhead would dominate.
A family is a frozen value with the functions of `Family`; there is no class to inherit from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ppo_audit.reference import distributions


class Family(Protocol):
    """What the trainers ask of a family. `parameters` is `[..., P]`, `action` `[...]` or `[..., D]` as stored."""

    @property
    def parameter_count(self) -> int: ...
    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray: ...
    def sample(self, parameters: np.ndarray, noise: np.ndarray) -> np.ndarray: ...
    def mode(self, parameters: np.ndarray) -> np.ndarray: ...
    def to_environment(self, action: np.ndarray) -> np.ndarray: ...
    def log_prob(self, parameters: Tensor, action: Tensor) -> Tensor: ...
    def entropy(self, parameters: Tensor) -> Tensor: ...
    def kl(self, parameters_p: Tensor, parameters_q: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Categorical:
    """One choice among K; the parameters are logits, −inf where an action is forbidden."""

    choices: int

    @property
    def parameter_count(self) -> int:
        return self.choices

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.gumbel(size=(*shape, self.choices)).astype(np.float32)

    def sample(self, parameters: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """The Gumbel-max trick: argmax of logits plus Gumbel noise is a sample of the softmax."""
        out: np.ndarray = (parameters + noise).argmax(-1)
        return out

    def mode(self, parameters: np.ndarray) -> np.ndarray:
        out: np.ndarray = parameters.argmax(-1)
        return out

    def to_environment(self, action: np.ndarray) -> np.ndarray:
        return action

    def log_prob(self, parameters: Tensor, action: Tensor) -> Tensor:
        return distributions.categorical_log_prob(parameters, action)

    def entropy(self, parameters: Tensor) -> Tensor:
        return distributions.categorical_entropy(parameters)

    def kl(self, parameters_p: Tensor, parameters_q: Tensor) -> Tensor:
        return distributions.categorical_kl(parameters_p, parameters_q)


@dataclass(frozen=True)
class MultiCategorical:
    """Several independent choices; the parameters are their logits side by side."""

    choices: tuple[int, ...]

    @property
    def parameter_count(self) -> int:
        return sum(self.choices)

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.gumbel(size=(*shape, self.parameter_count)).astype(np.float32)

    def sample(self, parameters: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return self.mode(parameters + noise)

    def mode(self, parameters: np.ndarray) -> np.ndarray:
        parts = np.split(parameters, np.cumsum(self.choices)[:-1], axis=-1)
        return np.stack([part.argmax(-1) for part in parts], -1)

    def to_environment(self, action: np.ndarray) -> np.ndarray:
        return action

    def log_prob(self, parameters: Tensor, action: Tensor) -> Tensor:
        parts = zip(parameters.split(self.choices, -1), action.unbind(-1), strict=True)
        return torch.stack([distributions.categorical_log_prob(logits, a) for logits, a in parts]).sum(0)

    def entropy(self, parameters: Tensor) -> Tensor:
        parts = parameters.split(self.choices, -1)
        return torch.stack([distributions.categorical_entropy(logits) for logits in parts]).sum(0)

    def kl(self, parameters_p: Tensor, parameters_q: Tensor) -> Tensor:
        parts = zip(parameters_p.split(self.choices, -1), parameters_q.split(self.choices, -1), strict=True)
        return torch.stack([distributions.categorical_kl(p, q) for p, q in parts]).sum(0)


@dataclass(frozen=True)
class Gaussian:
    """A diagonal Gaussian; the parameters are means, then log standard deviations.

    The stored action is the one that was drawn; only the environment sees it clipped to the action bounds.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def parameter_count(self) -> int:
        return 2 * len(self.low)

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.standard_normal((*shape, len(self.low)), dtype=np.float32)

    def sample(self, parameters: np.ndarray, noise: np.ndarray) -> np.ndarray:
        dimensions = len(self.low)
        out: np.ndarray = parameters[..., :dimensions] + np.exp(parameters[..., dimensions:]) * noise
        return out

    def mode(self, parameters: np.ndarray) -> np.ndarray:
        return parameters[..., : len(self.low)]

    def to_environment(self, action: np.ndarray) -> np.ndarray:
        out: np.ndarray = np.clip(action, self.low, self.high)
        return out

    def log_prob(self, parameters: Tensor, action: Tensor) -> Tensor:
        mean, log_std = parameters.chunk(2, -1)
        return distributions.gaussian_log_prob(action, mean, log_std)

    def entropy(self, parameters: Tensor) -> Tensor:
        _, log_std = parameters.chunk(2, -1)
        return distributions.gaussian_entropy(log_std)

    def kl(self, parameters_p: Tensor, parameters_q: Tensor) -> Tensor:
        return distributions.gaussian_kl(*parameters_p.chunk(2, -1), *parameters_q.chunk(2, -1))


@dataclass(frozen=True)
class SquashedGaussian:
    """A diagonal Gaussian squashed by tanh and scaled to the action bounds; parameters as in `Gaussian`.

    The stored action is the one before tanh, so that its log-probability never asks for an inverse.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def parameter_count(self) -> int:
        return 2 * len(self.low)

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.standard_normal((*shape, len(self.low)), dtype=np.float32)

    def sample(self, parameters: np.ndarray, noise: np.ndarray) -> np.ndarray:
        dimensions = len(self.low)
        out: np.ndarray = parameters[..., :dimensions] + np.exp(parameters[..., dimensions:]) * noise
        return out

    def mode(self, parameters: np.ndarray) -> np.ndarray:
        return parameters[..., : len(self.low)]

    def to_environment(self, action: np.ndarray) -> np.ndarray:
        low, high = np.asarray(self.low, action.dtype), np.asarray(self.high, action.dtype)
        out: np.ndarray = low + (np.tanh(action) + 1.0) * 0.5 * (high - low)
        return out

    def log_prob(self, parameters: Tensor, action: Tensor) -> Tensor:
        mean, log_std = parameters.chunk(2, -1)
        return distributions.squashed_gaussian_log_prob(action, mean, log_std) - self._log_scale()

    def entropy(self, parameters: Tensor) -> Tensor:
        mean, log_std = parameters.chunk(2, -1)
        return distributions.squashed_gaussian_entropy(mean, log_std) + self._log_scale()

    def kl(self, parameters_p: Tensor, parameters_q: Tensor) -> Tensor:
        """A divergence does not change under a bijection: it is that of the Gaussians before the squashing."""
        return distributions.gaussian_kl(*parameters_p.chunk(2, -1), *parameters_q.chunk(2, -1))

    def _log_scale(self) -> float:
        return sum(math.log((high - low) / 2.0) for low, high in zip(self.low, self.high, strict=True))


def family_of(action_space: Any) -> Family:
    """The family that fits a gymnasium action space, told by its attributes."""
    if hasattr(action_space, "nvec"):
        return MultiCategorical(tuple(int(n) for n in action_space.nvec))
    if hasattr(action_space, "n"):
        return Categorical(int(action_space.n))
    if hasattr(action_space, "low"):
        return Gaussian(*_bounds(action_space))
    raise ValueError(f"expected a Discrete, MultiDiscrete or Box action space, got {action_space}")


def squashed_family_of(action_space: Any) -> Family:
    """The squashed Gaussian on a bounded Box."""
    low, high = _bounds(action_space)
    if not all(map(math.isfinite, low + high)):
        raise ValueError(f"expected a bounded action space to squash into, got {action_space}")
    return SquashedGaussian(low, high)


def _bounds(action_space: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if len(getattr(action_space, "shape", ())) != 1:
        raise ValueError(f"expected a Box action space of one dimension, got {action_space}")
    return tuple(map(float, action_space.low)), tuple(map(float, action_space.high))
