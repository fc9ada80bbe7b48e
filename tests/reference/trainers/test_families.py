"""Families of action distributions against torch.distributions, sampling statistics and change of variables."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import distributions as torch_distributions

from ppo_audit.reference.trainers.families import (
    Categorical,
    Gaussian,
    MultiCategorical,
    SquashedGaussian,
    family_of,
    squashed_family_of,
)

FAMILIES = [
    Categorical(4),
    MultiCategorical((2, 3)),
    Gaussian((-1.0, -2.0), (1.0, 2.0)),
    SquashedGaussian((-1.0, -2.0), (1.0, 6.0)),
]


def parameters_of(family, count=5, seed=0, scale=0.5):
    rng = np.random.default_rng(seed)
    return (scale * rng.normal(size=(count, family.parameter_count))).astype(np.float32)


def torch_equivalent(family, parameters):
    if isinstance(family, Categorical):
        return [torch_distributions.Categorical(logits=parameters)]
    if isinstance(family, MultiCategorical):
        return [torch_distributions.Categorical(logits=part) for part in parameters.split(family.choices, -1)]
    mean, log_std = parameters.chunk(2, -1)
    return [torch_distributions.Normal(m, s.exp()) for m, s in zip(mean.unbind(-1), log_std.unbind(-1), strict=True)]


@pytest.mark.parametrize("family", FAMILIES[:3], ids=repr)
def test_log_prob_entropy_and_kl_are_torchs_summed_over_dimensions(family):
    p, q = (torch.from_numpy(parameters_of(family, seed=s)) for s in (1, 2))
    action = torch.from_numpy(family.sample(p.numpy(), family.noise(np.random.default_rng(0), (5,))))
    ours, theirs = torch_equivalent(family, p), torch_equivalent(family, q)
    columns = action.unbind(-1) if action.ndim == 2 else [action]
    log_prob = sum(d.log_prob(column) for d, column in zip(ours, columns, strict=True))
    assert torch.allclose(family.log_prob(p, action), log_prob, atol=1e-6)
    assert torch.allclose(family.entropy(p), sum(d.entropy() for d in ours), atol=1e-6)
    kl = sum(torch_distributions.kl_divergence(a, b) for a, b in zip(ours, theirs, strict=True))
    assert torch.allclose(family.kl(p, q), kl, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_minus_the_mean_log_prob_of_samples_is_the_entropy(family):
    count = 40_000
    p = np.broadcast_to(parameters_of(family, 1), (count, family.parameter_count)).copy()
    action = family.sample(p, family.noise(np.random.default_rng(3), (count,)))
    p, action = torch.from_numpy(p), torch.from_numpy(action)
    surprise = -family.log_prob(p, action)
    error = surprise.std().item() / math.sqrt(count)
    assert surprise.mean().item() == pytest.approx(family.entropy(p[:1]).item(), abs=4 * error)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_the_mode_is_the_most_likely_of_many_samples(family):
    p = parameters_of(family, 1)
    many = np.broadcast_to(p, (500, family.parameter_count)).copy()
    samples = family.sample(many, family.noise(np.random.default_rng(4), (500,)))
    mode = torch.from_numpy(np.asarray(family.mode(p)))
    gaussian = Gaussian(family.low, family.high) if isinstance(family, SquashedGaussian) else family
    best = gaussian.log_prob(torch.from_numpy(p), mode)
    assert (gaussian.log_prob(torch.from_numpy(many), torch.from_numpy(samples)) <= best + 1e-6).all()


def test_the_squashed_log_prob_is_the_density_of_the_action_in_the_environment():
    family = SquashedGaussian((-1.0, -2.0), (1.0, 6.0))
    p = torch.from_numpy(parameters_of(family)).double()
    u = torch.linspace(-1.5, 1.5, 10, dtype=torch.float64).view(5, 2)
    base = torch_distributions.Independent(torch_distributions.Normal(p[:, :2], p[:, 2:].exp()), 1)
    scale, shift = torch.tensor([1.0, 4.0], dtype=torch.float64), torch.tensor([0.0, 2.0], dtype=torch.float64)
    transforms = [torch_distributions.TanhTransform(), torch_distributions.AffineTransform(shift, scale, event_dim=1)]
    squashed = torch_distributions.TransformedDistribution(base, transforms)
    action = torch.from_numpy(family.to_environment(u.numpy()))
    assert torch.allclose(family.log_prob(p, u), squashed.log_prob(action), atol=1e-8)
    assert (action.abs() <= torch.tensor([1.0, 6.0])).all()


def test_forbidden_actions_are_never_sampled():
    logits = np.tile(np.array([0.0, -np.inf, 5.0, -np.inf], np.float32), (2000, 1))
    family = Categorical(4)
    assert set(family.sample(logits, family.noise(np.random.default_rng(0), (2000,)))) == {0, 2}


def test_only_the_environment_sees_a_gaussian_action_clipped():
    family = Gaussian((-1.0,), (1.0,))
    drawn = np.array([[3.0]], np.float32)
    assert family.to_environment(drawn).item() == 1.0
    assert drawn.item() == 3.0


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (SimpleNamespace(n=3), Categorical(3)),
        (SimpleNamespace(nvec=np.array([2, 5])), MultiCategorical((2, 5))),
        (SimpleNamespace(low=np.array([-1.0]), high=np.array([2.0]), shape=(1,)), Gaussian((-1.0,), (2.0,))),
    ],
)
def test_a_family_fits_its_action_space(space, expected):
    assert family_of(space) == expected


def test_unfit_action_spaces_are_refused_by_name():
    with pytest.raises(ValueError, match="expected a Discrete, MultiDiscrete or Box action space"):
        family_of(SimpleNamespace(spaces={}))
    unbounded = SimpleNamespace(low=np.array([-np.inf]), high=np.array([np.inf]), shape=(1,))
    with pytest.raises(ValueError, match="expected a bounded action space"):
        squashed_family_of(unbounded)
