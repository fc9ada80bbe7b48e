"""Multilayer perceptrons for actor and critic, and the parameters of a network as one vector.

A network maps observations `[N, ...]` to the parameters of the action distribution `[N, P]` and to values: `[N]`, or
quantiles `[N, K]` for a distributional critic. `act` is its fast path for rollouts: NumPy in, NumPy out, actor only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ppo_audit.reference.trainers.families import Family, Gaussian, SquashedGaussian

Act = Callable[[np.ndarray], np.ndarray]
Network = Any  # an nn.Module with `policy` and `value`, which the types of nn.Module cannot say


def linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    """A layer with orthogonal weights and zero bias ("The 37 Implementation Details of PPO", detail 2)."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class Tanh(nn.Module):
    """tanh x = 2 σ(2x) − 1, since torch's sigmoid is eight times as fast as its tanh on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x + x) * 2.0 - 1.0


def body(inputs: int, hidden: Sequence[int]) -> nn.Sequential:
    """Tanh layers."""
    layers: list[nn.Module] = []
    for before, after in zip([inputs, *hidden], hidden, strict=False):
        layers += [linear(before, after, math.sqrt(2.0)), Tanh()]
    return nn.Sequential(*layers)


class Head(nn.Module):
    """The last layer of an actor: logits, or means beside log standard deviations that no state changes."""

    def __init__(self, inputs: int, family: Family) -> None:
        super().__init__()
        self.is_gaussian = isinstance(family, Gaussian | SquashedGaussian)
        outputs = family.parameter_count // 2 if self.is_gaussian else family.parameter_count
        self.output = linear(inputs, outputs, 0.01)
        if self.is_gaussian:
            self.log_std = nn.Parameter(torch.zeros(outputs))

    def forward(self, features: Tensor) -> Tensor:
        output = self.output(features)
        if not self.is_gaussian:
            out: Tensor = output
            return out
        return torch.cat([output, self.log_std.expand_as(output)], -1)


class SeparateNetwork(nn.Module):
    """Actor and critic that share nothing."""

    def __init__(self, inputs: int, hidden: Sequence[int], family: Family, quantiles: int = 0) -> None:
        super().__init__()
        self.actor_body = body(inputs, hidden)
        self.head = Head(hidden[-1], family)
        self.critic = nn.Sequential(body(inputs, hidden), linear(hidden[-1], max(quantiles, 1), 1.0))
        self.quantiles = quantiles

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        return self.policy(observation), self.value(observation)

    def policy(self, observation: Tensor) -> Tensor:
        out: Tensor = self.head(self.actor_body(observation))
        return out

    def value(self, observation: Tensor) -> Tensor:
        output = self.critic(observation)
        out: Tensor = output if self.quantiles else output.squeeze(-1)
        return out


class SharedNetwork(nn.Module):
    """Actor and critic as two heads of one body."""

    def __init__(self, inputs: int, hidden: Sequence[int], family: Family, quantiles: int = 0) -> None:
        super().__init__()
        self.actor_body = body(inputs, hidden)
        self.head = Head(hidden[-1], family)
        self.critic_head = linear(hidden[-1], max(quantiles, 1), 1.0)
        self.quantiles = quantiles

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        features = self.actor_body(observation)
        return self.head(features), self._value(features)

    def policy(self, observation: Tensor) -> Tensor:
        out: Tensor = self.head(self.actor_body(observation))
        return out

    def value(self, observation: Tensor) -> Tensor:
        return self._value(self.actor_body(observation))

    def _value(self, features: Tensor) -> Tensor:
        output = self.critic_head(features)
        out: Tensor = output if self.quantiles else output.squeeze(-1)
        return out


def numpy_actor(network: SeparateNetwork | SharedNetwork) -> Act:
    """The actor in NumPy, on the very memory of the torch parameters: it follows every update without a copy."""
    layers = [module for module in network.actor_body if isinstance(module, nn.Linear)]
    hidden = [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in layers]
    weight, bias = network.head.output.weight.detach().numpy().T, network.head.output.bias.detach().numpy()
    log_std = network.head.log_std.detach().numpy() if network.head.is_gaussian else None

    def act(observation: np.ndarray) -> np.ndarray:
        x = observation
        for hidden_weight, hidden_bias in hidden:
            x = np.tanh(x @ hidden_weight + hidden_bias)
        output = x @ weight + bias
        return output if log_std is None else np.concatenate([output, np.broadcast_to(log_std, output.shape)], -1)

    return act


def torch_actor(network: Network) -> Act:
    """The actor of any network, at torch's price a call."""

    @torch.no_grad()
    def act(observation: np.ndarray) -> np.ndarray:
        parameters: np.ndarray = network.policy(torch.from_numpy(observation)).numpy()
        return parameters

    return act


def actor_of(network: Network) -> Act:
    """The fastest actor that the network has."""
    return numpy_actor(network) if isinstance(network, SeparateNetwork | SharedNetwork) else torch_actor(network)


def flatten_parameters(network: nn.Module) -> nn.Parameter:
    """One vector that owns all parameters and gradients of the network, which become views of it.

    Gradient norm, clipping and Adam are then one operation each instead of one a layer. Call it before `actor_of`.
    """
    parameters = list(network.parameters())
    flat = nn.Parameter(torch.cat([parameter.detach().reshape(-1) for parameter in parameters]))
    flat.grad = torch.zeros_like(flat)
    sizes = [parameter.numel() for parameter in parameters]
    pieces = zip(parameters, flat.detach().split(sizes), flat.grad.split(sizes), strict=True)
    for parameter, values, gradients in pieces:
        parameter.data = values.view_as(parameter)
        parameter.grad = gradients.view_as(parameter)
    return flat
