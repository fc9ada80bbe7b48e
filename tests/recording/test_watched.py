"""Scalars that the target's code holds against a bound, with their values and where they are assigned."""

import sys

import numpy
import pytest
import torch

from ppo_audit.recording.watched import watched_in

LIMIT = 0.02


def tensor_above():
    approx_kl = torch.tensor(0.25).mul(2)
    seen = watched_in(sys._getframe())
    if approx_kl > 1.5 * LIMIT:
        return seen
    return ()


def numpy_below():
    kl = numpy.float32(0.5)
    limit = LIMIT
    seen = watched_in(sys._getframe())
    if limit is not None and limit < kl:
        return seen
    return ()


def one_of_two():
    _, kl = divmod(2.5, 1)
    seen = watched_in(sys._getframe())
    while True:
        if kl >= LIMIT:
            return seen


def never_compared():
    kl = abs(-0.5)
    return watched_in(sys._getframe()) if kl else ()


def not_computed():
    kl = 0.5
    seen = watched_in(sys._getframe())
    if kl > LIMIT:
        return seen
    return None


def of(found):
    return [(each.name, each.value) for each in found if each.place.file == __file__]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (tensor_above, [("approx_kl", 0.5)]),
        (numpy_below, [("kl", 0.5)]),
        (one_of_two, [("kl", 0.5)]),
        (never_compared, []),
        (not_computed, []),
    ],
)
def test_what_is_compared_and_computed_is_watched(function, expected):
    assert of(function()) == expected


def test_the_place_is_that_of_the_value():
    (watched,) = tensor_above()[:1]
    assert watched.place.function == "tensor_above"
    assert watched.place.line == tensor_above.__code__.co_firstlineno + 1
