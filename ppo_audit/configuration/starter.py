"""What `ppo-audit init` writes: every key with its default and what it is for, to be uncommented where wanted."""

from __future__ import annotations

from collections.abc import Mapping

from ppo_audit.configuration.document import OWN_FILE
from ppo_audit.declared import VARIANTS
from ppo_audit.thresholds import LIMITS, TOLERANCES

HEAD = f"""\
# {OWN_FILE}: what `ppo-audit check` measures here, and how. The same keys are understood below [tool.ppo-audit] in
# pyproject.toml. The command line goes before this file, this file before the defaults; paths are seen from this file.
# `ppo-audit check --show-settings` says where each value comes from.

# What to audit. A target with settings of its own has a table instead, as below.
"""

KEYS = """
# Only these rules, or not these: codes, beginnings of codes, names (`ppo-audit rules` lists them).
# select = ["PPO1", "kl-non-negative"]
# ignore = ["PPO207"]

# The least severity that fails the run: critical, serious, potential or never.
# fail-on = "serious"

# Rules of your own: files, or folders of them.
# rules = ["ppo_rules"]

# Where to measure, and the seed of everything drawn.
# device = "cpu"
# seed = 0

# What follows `--` for a training script.
# script-args = ["--total-timesteps", "512"]

# Seconds for a rule (ten times as much for a whole target), and GiB that a target may use.
# time-limit = 30.0
# memory-limit = 4.0

# Known findings (`ppo-audit check --write-baseline FILE --reason "..."`), and whether a waiver without use fails.
# baseline = "ppo-audit-baseline.json"
# strict-waivers = false

# Accepted findings. A waiver needs a reason, and holds until the end of the day that it names, if it names one.
# waivers = [{ rule = "PPO101", reason = "log-ratios are bounded upstream", expires = 2027-12-31 }]
"""

TABLES = """
# Findings of a rule are this severe here.
# [severities]
# PPO207 = "serious"

# Where a design becomes worth a warning.
# [thresholds]
{limits}

# Relative tolerance by the dtype that a target computes in.
# [tolerances]
{tolerances}

# One target: which parameter plays which role, what to pass, what makes its arguments, which variant it is meant to be
# ({variants}).
# Any key above but fail-on, rules, baseline and strict-waivers may stand in its table too.
# [targets."mypackage.losses:ppo_loss"]
# roles = {{ old_log_prob = "lp_prev" }}
# set = {{ clip_range = 0.1 }}
# inputs = "losses.py:make_arguments"
# declared = "ppo-clip"
"""


def starter(targets: tuple[str, ...]) -> str:
    """The text of the file, with the targets that are known already."""
    listed = ", ".join(f'"{_escaped(target)}"' for target in targets)
    line = f"targets = [{listed}]\n" if targets else '# targets = ["mypackage.losses:ppo_loss", "train.py"]\n'
    tables = TABLES.format(limits=_lines(LIMITS), tolerances=_lines(TOLERANCES), variants=", ".join(VARIANTS))
    return HEAD + line + KEYS + tables


def _lines(numbers: Mapping[str, float]) -> str:
    return "\n".join(f"# {name} = {value!r}" for name, value in numbers.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
