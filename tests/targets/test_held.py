"""Settings that no call passes: in a namespace that is a default, in a dict or constant of the module."""

import argparse

import pytest

from ppo_audit.targets.held import held_settings, mentions, shelves, with_number

SETTINGS = {"vf_coef": 0.5, "norm_adv": True, "name": "run"}
ENT_COEF = 0.01
CLIP_EPS = 0.3
UNREAD = {"kl_coef": 0.2}


def reads_namespace(args=argparse.Namespace(clip_coef=0.1, total_steps=1000)):  # noqa: B008
    return args.clip_coef


def reads_module(log_prob=0.0):
    return ENT_COEF * helper(log_prob)


def helper(log_prob):
    return SETTINGS["vf_coef"] + log_prob


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        (reads_namespace, {"clip_range": 0.1}),
        (reads_module, {"entropy_coef": 0.01, "value_coef": 0.5}),
        (lambda log_prob: log_prob, {}),
    ],
)
def test_a_number_is_held_where_the_code_reads_its_container_or_a_helper_does(function, settings):
    assert {role: number for role, number in held_settings(function).items() if role in settings} == settings
    assert "kl_coef" not in held_settings(function)


def test_a_namespace_takes_another_number_in_a_copy():
    (shelf,) = shelves(reads_namespace)
    function, passed = with_number(reads_namespace, shelf, "clip_coef", 0.4)
    assert (function(**passed), reads_namespace()) == (0.4, 0.1)


def test_a_module_has_another_number_during_the_call_alone_and_for_helpers_too():
    shelf = next(shelf for shelf in shelves(helper) if shelf.name == "SETTINGS")
    function, passed = with_number(reads_module, shelf, "vf_coef", 3.0)
    assert function(**passed) == pytest.approx(0.03)
    assert reads_module() == pytest.approx(0.005)


def test_what_the_code_speaks_of_is_read_off_it_and_its_helpers():
    assert {"ENT_COEF", "helper", "SETTINGS", "vf_coef"} <= mentions(reads_module)
    assert not {"norm_adv", "CLIP_EPS"} & mentions(reads_module)
