"""Bad targets, and what `ppo-audit check` must say of each.

A spec is relative to the root of the repository; exit codes are those of the architecture: 2 when nothing could be
judged, 1 when the target was judged and found wanting.
"""

from dataclasses import dataclass

FOLDER = "tests/targets/bad"


@dataclass(frozen=True)
class BadTarget:
    """A target spec, the exit code it must lead to, and a fragment of the message (never a piece of the spec)."""

    spec: str
    exit_code: int
    fragment: str


BAD_TARGETS = (
    BadTarget("no_such_package.losses:loss", 2, "cannot be imported"),
    BadTarget(f"{FOLDER}/no_such_file.py:loss", 2, "does not exist"),
    BadTarget(f"{FOLDER}/not_callable.py:lose", 2, "`loss`"),
    BadTarget(f"{FOLDER}/not_callable.py:loss", 2, "not callable"),
    BadTarget(f"{FOLDER}/needs_unknown_argument.py:loss", 2, "zeta_map"),
    BadTarget(f"{FOLDER}/returns_string.py:loss", 2, "`str`"),
    BadTarget(f"{FOLDER}/always_raises.py:loss", 2, "the replay buffer is not connected"),
    BadTarget(f"{FOLDER}/sys_exit_on_import.py:loss", 2, "usage: sys_exit_on_import CONFIG"),
    BadTarget(f"{FOLDER}/never_backward.py", 2, "backward"),
    BadTarget(f"{FOLDER}/empty.py", 2, "is empty"),
    BadTarget(f"{FOLDER}/raises_on_some.py:loss", 1, "PPO001"),
    BadTarget(f"{FOLDER}/returns_nan.py:loss", 1, "PPO005"),
    BadTarget(f"{FOLDER}/mutates_inputs.py:loss", 1, "PPO003"),
)
