"""What may belong in place of an expression: for each rule the likeliest slips, then others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ppo_audit.repair.slips import arithmetic, calls, forms, names, shapes
from ppo_audit.repair.source import Spot

Slip = Callable[[Spot], Iterator[str]]

SIGNS = (arithmetic.swapped, arithmetic.signs)
BOUNDS = (calls.extrema, forms.clip_around_one, forms.bounds)
CLIP = (*BOUNDS, forms.factor_inside, forms.clamp_of_factor, forms.clamped)
PAIR = (names.renamed, names.extremum_of_two, forms.pessimistic)
FLOW = (names.constant, calls.unwrapped, names.renamed)
PADDING = (shapes.kept, shapes.masked, shapes.counted)
SHAPES = (shapes.flattened, shapes.without_keepdim, names.elementwise)
FINITE = (shapes.positive, shapes.one_sample)
SPREAD = (calls.functions, arithmetic.regrouped, arithmetic.powers, forms.centred, names.renamed)
RETURNS = (
    names.ended,
    *SIGNS,
    arithmetic.dropped,
    names.indices,
    calls.turned,
    arithmetic.factors,
    forms.of_other_value,
)
PLAIN = (calls.extrema, *SIGNS, calls.functions)
"""Tried at the other lines of the function too: a slip there may show where its result is used."""
GENERAL = (
    *SIGNS,
    calls.extrema,
    calls.functions,
    calls.unwrapped,
    calls.reductions,
    arithmetic.dropped,
    arithmetic.powers,
    arithmetic.regrouped,
    calls.detached,
    arithmetic.factors,
    names.renamed,
    names.renamed_throughout,
    arithmetic.numbers,
    arithmetic.halves,
    calls.reduced,
    calls.branches,
    calls.comparisons,
)
"""Tried after those of the rule, in this order."""

LIKELY: Mapping[str, Sequence[Slip]] = {
    "PPO002": (arithmetic.dropped, calls.unwrapped),
    "PPO003": (calls.copies, calls.unwrapped),
    "PPO005": (calls.unwrapped, *FINITE),
    "PPO007": (calls.keywords, names.renamed, arithmetic.factors, forms.clip_around_one),
    "PPO008": FLOW,
    "PPO102": (*CLIP, *PAIR),
    "PPO103": (*CLIP, *PAIR),
    "PPO104": (*SIGNS, calls.extrema, calls.negated_extrema, calls.detached, names.elementwise, names.same_twice),
    "PPO105": (calls.functions, forms.exponential, shapes.kept, names.renamed),
    "PPO106": (
        calls.extrema,
        forms.clip_around_one,
        forms.bounds,
        arithmetic.numbers,
        arithmetic.powers,
        names.renamed,
    ),
    "PPO107": CLIP,
    "PPO108": (calls.branches, arithmetic.operators, names.renamed),
    "PPO109": (calls.unwrapped,),
    "PPO110": (names.dropped_throughout, names.elementwise, *CLIP),
    "PPO111": (calls.reductions_throughout, calls.reductions, arithmetic.dropped, names.renamed),
    "PPO113": (arithmetic.divided, calls.detached, names.elementwise, *PADDING, calls.reductions),
    "PPO201": (names.renamed, forms.group_means),
    "PPO202": FINITE,
    "PPO203": SPREAD,
    "PPO204": (names.renamed,),
    "PPO205": PADDING,
    "PPO206": (names.dropped_throughout, names.renamed_throughout, arithmetic.dropped, names.renamed),
    "PPO301": (*SIGNS, arithmetic.squared, forms.raw, names.renamed, calls.unwrapped, arithmetic.dropped),
    "PPO302": (
        calls.extrema,
        forms.extremum_of_squares,
        arithmetic.squared,
        names.extremum_of_two,
        names.renamed,
        calls.unwrapped,
    ),
    "PPO303": (names.replaced_throughout, forms.radius_of_values, names.renamed, forms.bounds),
    "PPO304": (calls.unwrapped,),
    "PPO305": (
        arithmetic.forgotten,
        names.exchanged_numbers,
        arithmetic.dropped,
        arithmetic.factors,
        names.renamed_throughout,
        names.renamed,
    ),
    "PPO306": (names.renamed_throughout, names.renamed),
    "PPO401": (*SIGNS, calls.unwrapped),
    "PPO402": (calls.reductions, calls.reduced),
    "PPO403": (*SIGNS, calls.unwrapped, arithmetic.dropped, calls.reductions, names.renamed),
    "PPO404": (
        arithmetic.forgotten,
        names.exchanged_numbers,
        arithmetic.dropped,
        arithmetic.powers,
        arithmetic.summands,
        arithmetic.factors,
        names.renamed,
    ),
    "PPO411": (*SIGNS, arithmetic.halves, arithmetic.doubled, forms.estimator),
    "PPO412": (*SIGNS, arithmetic.halves, calls.reductions, forms.estimator),
    "PPO413": SIGNS,
    "PPO414": (calls.unwrapped, forms.estimator),
    "PPO415": (forms.estimator,),
    "PPO416": (*SIGNS, calls.comparisons, calls.unwrapped, forms.not_negative),
    "PPO501": (calls.comparisons, *PADDING),
    "PPO502": (calls.comparisons, *PADDING, calls.reductions),
    "PPO503": FINITE,
    "PPO504": (names.elementwise, names.indices, arithmetic.dropped),
    "PPO505": (calls.reductions, shapes.counted, calls.extrema),
    "PPO506": (calls.unwrapped, calls.reductions),
    "PPO507": (names.elementwise, names.dropped_throughout, *SHAPES),
    "PPO508": SHAPES,
    "PPO509": SHAPES,
    "PPO510": (arithmetic.forgotten, arithmetic.regrouped, arithmetic.summands, arithmetic.factors),
    "PPO511": (shapes.as_mask,),
    "PPO701": (shapes.widened,),
    "PPO702": (forms.centred,),
    "PPO703": (forms.stable_log,),
    "PPO704": (forms.stable_log,),
    "PPO801": (arithmetic.counts, arithmetic.halves, forms.centred),
    "PPO802": (forms.group_means, calls.functions),
    "PPO803": (shapes.guarded, *FINITE),
    "PPO805": SPREAD,
    "PPO806": FINITE,
}


REPLACED: Mapping[str, Sequence[Slip]] = {
    "`minimum` in place": (calls.extrema,),
    "`maximum` in place": (calls.extrema,),
    "`sub` in place": SIGNS,
    "`add` in place": SIGNS,
    "sign changed": SIGNS,
    "operands swapped": SIGNS,
    "exponent negated": SIGNS,
    "left out": (calls.unwrapped, arithmetic.signs),
    "detach": (names.constant,),
    "sum over": (calls.reductions, calls.reduced),
    "log-prob in place": (names.same_twice, names.renamed),
    "`mean` in place": (calls.reductions,),
    "`std` in place": (calls.functions,),
    "branches": (calls.branches,),
    "float32": (shapes.widened,),
    "one shape": (shapes.flattened,),
    "variances": (arithmetic.doubled,),
}
"""What an intervention that cured the violation did to one call, as its proof says, and the slips that write it."""


def slips(rule: str, proof: str) -> Iterator[Slip]:
    """The slips to try for a rule, each once: that of the intervention which located it, likely ones, then others."""
    located = [slip for words, kinds in REPLACED.items() if words in proof for slip in kinds]
    likely = LIKELY.get(rule, RETURNS if rule.startswith("PPO6") else ())
    yield from dict.fromkeys((*located, *likely, *GENERAL))
