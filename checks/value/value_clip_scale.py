"""The value clip has a radius of its own, in the unit of the return.

Property.  The clip range of the ratio does not move the clip of the value.
Why.       0.2 is a change of probability by a fifth; of a return it may be nothing or everything. Shared, the value
           clip tightens as the policy's range is annealed, and acts on every sample where rewards are large. Engstrom
           et al. 2020, arXiv:2005.12729, section 3, list the clip among the code-level choices; Andrychowicz et al.
           2020, arXiv:2006.05990, found that clipping values hurts at every threshold.
Applies.   Losses that clip both the ratio and the value. One range for both is the habit of openai/baselines, whose
           rewards are normalised.
Tested.    The gradient for values 0.01 to 3 away from their old ones, at the given clip range and at half of it; where
           no range can be set, the recorded bounds of the two clips.
Severity.  Potential: harmless where returns are normalised.
Fix.       Give the value clip its own range, or leave it off.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.options import option
from ppo_audit.probes.quantities import clipped_value

RULE = Rule(
    code="PPO306",
    name="value-clip-scale",
    family="value",
    severity=Severity.POTENTIAL,
    needs=("policy", "value", "value_clip", "scalar_critic", "role:return_"),
    must_flag=("policy_radius_for_values",),
)
MOVES = torch.linspace(0.01, 3.0, 32, dtype=torch.float64)


def check(subject: Subject) -> Violation | None:
    found = option(subject, "clip_range")
    if found is None:
        raise NotApplicable("the clip range is fixed by the recording")
    given = float(found.value or 0.2)
    whole, half = (_gradient(found.at(factor * given)) for factor in (1.0, 0.5))
    seen = clipped_value(subject, MOVES, torch.zeros_like(MOVES))
    return worst(
        Violation(
            f"The clip range of the ratio, {given:g}, is the radius of the value clip too.",
            evidence={"clip_range": given},
            site="value_clip",
            explains=("PPO007",),
            place=seen.place if seen else None,
        ),
        unless=(whole - half).abs() <= 1e3 * subject.tolerance * whole.abs().max(),
        old_value=0.0,
        value=MOVES,
        got=half,
        want=whole,
    )


def _gradient(subject: Subject) -> torch.Tensor:
    """The value gradient where values have run beyond their targets: the clipped branch, if any, is the larger one."""
    nothing = torch.zeros_like(MOVES)
    roles = {"value": MOVES, "old_value": nothing, "return_": 0.9 * MOVES}
    gradient: torch.Tensor = subject.term("value").gradient("value", **roles)
    return gradient.reshape(len(MOVES), -1).sum(-1).double()
