"""What the user says a loss is, compared with what it was measured to be.

A mismatch is a remark and never fails a run: the measured name says which published formula the loss equals, and a
loss may be right without equalling any. A remark says so in one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ppo_audit.findings import Remark


@dataclass(frozen=True)
class Variant:
    """Words that the measured name has, and words that it has not."""

    has: tuple[str, ...]
    lacks: tuple[str, ...] = ()


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "ppo-clip": Variant(("PPO-clip",), ("clip-higher", "dual clip")),
        "ppo-dual-clip": Variant(("PPO-clip", "dual clip"), ("clip-higher",)),
        "grpo": Variant(("PPO-clip", "mean over tokens, then over sequences"), ("clip-higher", "dual clip")),
        "dapo": Variant(("PPO-clip, clip-higher", "mean over tokens"), ("then over sequences", "plus KL term")),
        "dr_grpo": Variant(("PPO-clip",), ("clip-higher", "dual clip", "mean over tokens", "plus KL term")),
        "gspo": Variant(("GSPO",)),
        "cispo": Variant(("CISPO",)),
        "reinforce": Variant(("policy gradient (REINFORCE, A2C)",)),
        "awr": Variant(("AWR",)),
    }
)
TOPIC = "declared variant"


def compare(declared: str, profile: Mapping[str, object]) -> Remark:
    """Whether the loss is what it is said to be."""
    measured = str(profile.get("variant", ""))
    if not measured:
        return Remark(TOPIC, f"Declared `{declared}`. No variant could be measured, so the claim was not tested.")
    wanted = VARIANTS[declared]
    missing = [word for word in wanted.has if word not in measured]
    extra = [word for word in wanted.lacks if word in measured]
    if not missing and not extra:
        return Remark(TOPIC, f"Declared `{declared}`, and measured to be so: {measured}.")
    parts = [f"`{word}` was expected" for word in missing] + [f"`{word}` was not expected" for word in extra]
    return Remark(TOPIC, f"MISMATCH: declared `{declared}`, measured to be {measured}: {', '.join(parts)}.")
