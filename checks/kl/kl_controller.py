"""A controller follows the KL in the right direction, and stays within bounds.

Property.  A KL above the target makes the coefficient larger (a learning rate or clip range smaller), one below it the
           other way round; on the target nothing changes. One measurement changes it by a bounded factor, and it is
           never negative, and a step never zero.
Why.       Turned round, the controller loosens the penalty while the policy runs away, and each update makes it worse;
           one that compares with something else holds the KL at that. A factor without bound lets one outlier of the
           KL end the training. Schulman et al. 2017, arXiv:1707.06347, section 4: doubled above 1.5 times
           the target, halved below the target over 1.5. Ziegler et al. 2019, arXiv:1909.08593, clip the error.
Applies.   Functions and objects that are told the KL and adapt a KL coefficient, a learning rate or a clip range; what
           is adapted is read from its name. A multiplier in the manner of Lagrange, which adds, needs no bound.
           What does not react to the KL, and has no target, is a fixed coefficient: not judged.
Tested.    Sixty measurements of the same KL, at multiples of the target from 1/100 to 100; a thousand of none; two of
           10,000 times the target.
Severity.  Serious: the KL is not held where the settings say.
Fix.       if kl > 1.5 * target: coef = min(coef * 2, upper), elif kl < target / 1.5: coef = max(coef / 2, lower).
"""

import itertools
import math

from ppo_audit import Controller, NotApplicable, Rule, Severity, Violation

RULE = Rule(
    code="PPO416",
    name="kl-controller",
    family="kl",
    severity=Severity.SERIOUS,
    kinds=("kl",),
    needs=("controller",),
    must_flag=("controller_turned_round", "controller_without_bound"),
)
FAR, OUTLIER, HIGH, LOW = (4.0, 0.25, 10.0, 0.1, 100.0, 0.01), 1e4, 1e2, 1e-8
MOST, ON_TARGET, MANY = 100.0, 0.02, 1000


def check(controller: Controller) -> Violation | None:
    if controller.aim is None:
        return one_way(controller)
    wrong = direction(controller, controller.aim) or off_target(controller, controller.aim)
    return wrong or not_positive(controller, controller.aim) or unbounded(controller, controller.aim)


def one_way(controller: Controller) -> Violation | None:
    """Without a target to be found: where it reacts at all, the extremes of the KL tell the direction."""
    high, low = controller.tendency(HIGH), controller.tendency(LOW)
    if high == low:
        raise NotApplicable("the helper does not react to the KL: a fixed coefficient")
    wanted = 1 if controller.should_rise else -1
    if wanted not in (high, -low):
        return violation("It moves in the wrong direction, and never back.", HIGH, controller.course(HIGH, 3))
    return None


def direction(controller: Controller, aim: float) -> Violation | None:
    """At no KL off the target may it move away; far from it it has to move."""
    wanted = 1 if controller.should_rise else -1
    moves = {aim * factor: controller.tendency(aim * factor) for factor in FAR}
    what = "coefficient" if controller.should_rise else "step"
    for kl, move in moves.items():
        if move * (1 if kl > aim else -1) * wanted < 0:
            message = (
                f"A KL of {kl:.3g} makes the {what} {'smaller' if move < 0 else 'larger'}: the target is {aim:.3g}."
            )
            return violation(message, kl, controller.course(kl, 3))
    kl, still = 10 * aim, "It has a target, and changes nothing whatever the KL is."
    return None if any(moves.values()) else violation(still, kl, controller.course(kl, 3))


def off_target(controller: Controller, aim: float) -> Violation | None:
    """A target that is known is where nothing may change; an object may need some updates to know the KL."""
    course = controller.course(aim)
    before, after = course[-2:] if controller.remembers else course[:2]
    if controller.kl_target is None or abs(after - before) <= ON_TARGET * abs(before):
        return None
    return violation(f"It reacts to a KL that is on its target of {aim:.3g}.", aim, course)


def not_positive(controller: Controller, aim: float) -> Violation | None:
    for kl in (0.0, aim / 100, 100 * aim):
        course = controller.course(kl, MANY)
        if min(course) < 0 or (course[-1] == 0 and not controller.should_rise):
            return violation("It becomes zero or negative.", kl, course)
    return None


def unbounded(controller: Controller, aim: float) -> Violation | None:
    """Two outliers each multiply it; what only adds, or has reached its own bound, changes no such factor again."""
    course = controller.course(OUTLIER * aim, 2)
    factors = [later / before for before, later in itertools.pairwise(course)]
    is_bounded = all(map(math.isfinite, factors)) and any(1 / MOST <= factor <= MOST for factor in factors)
    message = "An outlier of the KL multiplies it by a factor without bound."
    return None if is_bounded else violation(message, OUTLIER * aim, course)


def violation(message: str, kl: float, course: list[float]) -> Violation:
    shown = [round(value, 6) for value in course[:4]]
    return Violation(message, counterexample={"kl": round(kl, 8), "got": shown})
