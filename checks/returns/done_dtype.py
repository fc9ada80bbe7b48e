"""Flags of ends mean the same as bool, integer and float.

Property.  The advantages are the same, and nothing is raised, for flags given as float, as bool and as integer.
Why.       Environments give bool, buffers store float or uint8. `1 - done` raises on a bool tensor, `~done` on a
           uint8 one gives 254, and `-done` of a bool is no number: the code works in one trainer and breaks, or worse
           does not, in the next.
           https://github.com/DLR-RM/stable-baselines3/blob/b018e4bc949503b990c3012c0e36c9384de770e6/stable_baselines3/common/buffers.py#L425
           casts first.
Applies.   Helpers that take flags. A form that the helper refuses by an exception of its own is not judged.
Tested.    One rollout with ends of episodes, its flags in three dtypes.
Severity.  Potential: only dtypes other than those that the trainer uses are affected.
Fix.       alive = 1.0 - done.float().
"""

import dataclasses

from ppo_audit import ENDS, Location, NotApplicable, Returns, Rule, Severity, Violation

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
    wrong, place = _misread(helper)
    if not wrong:
        return None
    return Violation(
        f"Flags given as {' or '.join(wrong)} are not understood.",
        counterexample={"flags": next(iter(wrong)), "got": next(iter(wrong.values())), "want": "the same advantages"},
        evidence=wrong,
        site="flags",
        place=place,
    )


def _misread(helper: Returns) -> tuple[dict[str, str], Location | None]:
    """What happens with flags of each dtype that are not read as the usual ones, and where it is raised."""
    rollout = helper.rollout(ENDS, seed=6)
    usual = helper.advantage(rollout)
    wrong: dict[str, str] = {}
    place = None
    for dtype in ("float", "bool", "int"):
        other = dataclasses.replace(helper, convention=dataclasses.replace(helper.convention, flag_dtype=dtype))
        try:
            got = other.advantage(rollout)
        except NotApplicable as refusal:
            if not getattr(refusal, "is_refusal", False):  # one that checks the type says which one it wants
                wrong[dtype], place = str(refusal), getattr(refusal, "place", None)
            continue
        if not bool(((got - usual).abs() <= 1e-6).all()):
            wrong[dtype] = "other advantages, and no error"
    return wrong, place
