"""A setting that is held and never read is what a forgotten factor may be."""

from __future__ import annotations

import pytest

from ppo_audit.repair.unread import unread_settings

MODULE = """
KL_COEF = 0.1
ENT_COEF = 0.01

def loss(a):
    return ENT_COEF * a
"""
OBJECT = """
class Loss:
    def __init__(self, vf_coef, ent_coef):
        self.vf_coef, self.ent_coef, self.calls = vf_coef, ent_coef, 0

    def forward(self, a):
        return self.ent_coef * a
"""
DICT = """
DEFAULTS = {"vf_coef": 0.5, "ent_coef": 0.01, "norm_adv": True}

def loss(a, cfg):
    return cfg["ent_coef"] * a
"""
FIELDS = """
class Config:
    vf_coef: float = 0.5
    ent_coef: float = 0.01

def loss(a, config: Config):
    return config.ent_coef * a
"""
NAMESPACE = """
args = SimpleNamespace(vf_coef=0.5, ent_coef=0.01)

def loss(a):
    return args.ent_coef * a
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(MODULE, "KL_COEF", id="a constant of the module"),
        pytest.param(OBJECT, "self.vf_coef", id="an attribute of the object"),
        pytest.param(DICT, 'cfg["vf_coef"]', id="a key of a dict"),
        pytest.param(FIELDS, "config.vf_coef", id="a field of a class"),
        pytest.param(NAMESPACE, "args.vf_coef", id="a keyword of a namespace"),
    ],
)
def test_a_setting_that_nothing_reads_is_found_as_it_would_be_read(text: str, found: str):
    assert unread_settings(text, len(text.splitlines())) == (found,)


def test_outside_of_functions_there_is_none():
    assert unread_settings(MODULE, 2) == ()
