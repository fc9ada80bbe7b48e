"""Networks, their parameters as one vector, and Adam on it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ppo_audit.reference.trainers.adam import Adam
from ppo_audit.reference.trainers.families import Categorical, Gaussian
from ppo_audit.reference.trainers.networks import SeparateNetwork, SharedNetwork, Tanh, flatten_parameters
from ppo_audit.reference.trainers.transformer import HistoryTransformer

FAMILY = Gaussian((-1.0,), (1.0,))


@pytest.mark.parametrize("make", [SeparateNetwork, SharedNetwork])
def test_parameters_and_gradients_are_views_of_one_vector(make):
    network = make(3, (8, 8), FAMILY)
    flat = flatten_parameters(network)
    assert flat.numel() == sum(p.numel() for p in network.parameters())
    parameters, value = network(torch.randn(5, 3))
    (parameters.sum() + value.sum()).backward()
    assert torch.equal(flat.grad, torch.cat([p.grad.reshape(-1) for p in network.parameters()]))
    with torch.no_grad():
        flat.zero_()
    assert all(not p.any() for p in network.parameters())


def test_adam_takes_the_steps_of_torchs_adam():
    generator = torch.Generator().manual_seed(0)
    ours = nn.Parameter(torch.randn(50, generator=generator))
    theirs = nn.Parameter(ours.detach().clone())
    adam, expected = Adam(ours, 1e-2), torch.optim.Adam([theirs], lr=1e-2, eps=1e-5)
    for _ in range(200):
        gradient = torch.randn(50, generator=generator) * 0.1
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        adam.step()
        expected.step()
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_the_fast_tanh_is_tanh_in_value_and_gradient():
    x = torch.linspace(-12, 12, 2001, requires_grad=True)
    (ours,) = torch.autograd.grad(Tanh()(x).sum(), x)
    (expected,) = torch.autograd.grad(torch.tanh(x).sum(), x)
    assert torch.allclose(Tanh()(x), torch.tanh(x), atol=1e-6)
    assert torch.allclose(ours, expected, atol=1e-6)
    extreme = torch.tensor([-1e30, 1e30], requires_grad=True)
    assert Tanh()(extreme).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("make", [SeparateNetwork, SharedNetwork, HistoryTransformer])
@pytest.mark.parametrize(("quantiles", "shape"), [(0, (5,)), (7, (5, 7))])
def test_a_network_gives_parameters_and_values_together_as_apart(make, quantiles, shape):
    network = make(3, (32,), Categorical(4), quantiles)
    x = torch.ones(5, 6, 3) if make is HistoryTransformer else torch.randn(5, 3)
    parameters, value = network(x)
    assert parameters.shape == (5, 4)
    assert value.shape == shape
    assert torch.allclose(parameters, network.policy(x))
    assert torch.allclose(value, network.value(x))


def test_a_transformer_does_not_see_rows_that_do_not_exist():
    network = HistoryTransformer(3, (32, 32), Categorical(4))
    x = torch.randn(2, 6, 3)
    x[..., 0] = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    changed = x.clone()
    changed[:, :3, 1:] += 5.0
    assert torch.allclose(network.policy(x), network.policy(changed), atol=1e-6)
