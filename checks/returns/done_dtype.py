"""Flags of ends mean the same as bool, integer and float.

Property.  The advantages are the same for flags given as float, as bool and as integer, wherever they are taken.
Why.       Environments give bool, buffers store float or uint8. `~done` on a uint8 flag gives 254 and on an integer -1:
           the code works in one trainer, and in the next it goes on with other advantages and says nothing.
           https://github.com/DLR-RM/stable-baselines3/blob/b018e4bc949503b990c3012c0e36c9384de770e6/stable_baselines3/common/buffers.py#L425
           casts first.
Applies.   Helpers that take flags. A dtype that raises, as `1 - done` does of bool, tells of itself and is not judged.
Tested.    One rollout with ends of episodes, its flags in three dtypes.
Severity.  Potential: only dtypes other than those that the trainer uses are affected.
Fix.       alive = 1.0 - done.float().
"""

import contextlib
import dataclasses
from collections.abc import Iterator

from ppo_audit import ENDS, NotApplicable, Returns, Rule, Severity, Violation

RULE = Rule(
    code="PPO609",
    name="done-dtype",
    family="returns",
    severity=Severity.POTENTIAL,
    kinds=("returns",),
    needs=("flags",),
    must_flag=("flags_bitwise_not",),
)


def check(helper: Returns) -> Violation | None:
    wrong = list(_misread(helper))
    if not wrong:
        return None
    return Violation(
        f"Flags given as {' or '.join(wrong)} are not understood.",
        counterexample={"flags": wrong[0], "got": "other advantages, and no error", "want": "the same advantages"},
        evidence={"misread": wrong},
        site="flags",
    )


def _misread(helper: Returns) -> Iterator[str]:
    """The dtypes of flags that are taken, and not read as the usual one."""
    rollout = helper.rollout(ENDS, seed=6)
    usual = helper.advantage(rollout)
    for dtype in ("float", "bool", "int"):
        other = dataclasses.replace(helper, convention=dataclasses.replace(helper.convention, flag_dtype=dtype))
        with contextlib.suppress(NotApplicable):
            if not bool(((other.advantage(rollout) - usual).abs() <= 1e-6).all()):
                yield dtype
