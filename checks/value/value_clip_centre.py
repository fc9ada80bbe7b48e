"""The clipped value lies around the old value, by addition, and both ways alike.

Property.  The clipped prediction f(V, V_old) depends on both, follows a common shift of both or ignores it (where the
           step alone is clipped), and turns round with them: f(V + s, V_old + s) - f(V, V_old) in {0, s}, f(-V, -V_old)
           = -f(V, V_old).
Why.       The clip keeps the critic near its last prediction. Around zero it holds values where no reward is; around
           the target it lets through what it should stop; in proportion to the old value it closes at 0 and turns over
           below it. openai/baselines ppo2, https://github.com/openai/baselines/blob/ea25b9e8/baselines/ppo2/model.py.
Applies.   Losses that clip a scalar critic's value against a given old one.
Tested.    Eight pairs of value and old value up to 4 apart, shifted by 5 and turned round; on the clipped value as
           recorded.
Severity.  Serious: the critic is pulled towards a number that means nothing.
Fix.       V_clip = V_old + (V - V_old).clamp(-c, c).
"""

from collections.abc import Iterator

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.quantities import clipped_value

RULE = Rule(
    code="PPO303",
    name="value-clip-centre",
    family="value",
    severity=Severity.SERIOUS,
    needs=("value", "value_clip", "scalar_critic"),
    must_flag=(
        "value_clip_around_zero",
        "value_clip_multiplicative",
        "value_clip_around_target",
        "value_clip_upwards_only",
    ),
)
OLD = torch.tensor([0.5, 1.0, -1.5, -0.7, 2.0, -2.0, 0.9, -0.4], dtype=torch.float64)
MOVE = torch.tensor([4.0, -4.0, 3.0, -3.0, 0.05, -0.05, 1.5, -1.5], dtype=torch.float64)
SHIFT = 5.0
EXPLAINS = ("PPO301", "PPO302", "PPO304")


def check(subject: Subject) -> Violation | None:
    seen = clipped_value(subject, OLD + MOVE, OLD)
    if seen is None:
        raise NotApplicable("the clipped value is not to be found in the recording")
    if seen.depends_on != {"value", "old_value"}:
        others = " and ".join(sorted(seen.depends_on - {"value"})) or "nothing but itself"
        return Violation(
            f"The value is clipped against {others}, not against the old value.",
            counterexample={"got": others, "want": "old_value"},
            explains=EXPLAINS,
            place=seen.place,
        )
    if seen.is_rescaled:
        raise NotApplicable("the values are clipped in units of the batch, which a shift of them changes too")
    for problem, got, want in _relations(subject, seen.values):
        violation = worst(
            Violation(f"The value clip {problem}.", explains=EXPLAINS, place=seen.place),
            unless=(got - want).abs() <= 1e3 * subject.tolerance * (SHIFT + seen.values.abs()),
            old_value=OLD,
            value=OLD + MOVE,
            got=got,
            want=want,
        )
        if violation is not None:
            return violation
    return None


def _relations(subject: Subject, values: torch.Tensor) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """What would be wrong, the clipped values of a changed batch, and what they should be."""
    shifted, turned = clipped_value(subject, OLD + MOVE + SHIFT, OLD + SHIFT), clipped_value(subject, -OLD - MOVE, -OLD)
    if shifted is not None and turned is not None:
        follows = bool((shifted.values - values > SHIFT / 2).all())
        yield "does not follow a common shift of value and old value", shifted.values, values + SHIFT * follows
        yield "treats the two directions differently", turned.values, -values
