"""The advantages that the trainer really computed follow from its own rewards, values and ends of episodes.

Property.  A_t = r_t + gamma V_t+1 - V_t + gamma lambda A_t+1 inside an episode, and no later advantage and no value of
           the next episode enters at its end.
Why.       A helper can be right and be given the wrong flags, an array that is one step off, or the value of another
           observation. Then credit flows back from the next episode, or stops where nothing ended. Schulman et al.
           2015, arXiv:1506.02438, eq. 16. Both readings of a flag are in use: step t ended, and step t begins.
Applies.   Trainers that hold rewards, values, advantages or returns, and flags under names that say so when they begin
           to learn, where the recursion is found to hold away from all flags. Other estimators are left alone.
Tested.    Gamma and lambda are fitted where no flag is near, so that they need not be known. Every array of flags is
           then tried in both readings; where each flag was known before its step was taken, it can only begin one.
           Flags of time limits must hold by themselves: a buffer may have others that do.
Severity.  Critical: credit crosses the ends of episodes.
Fix.       Multiply both the bootstrap and the carry by 1 - done of the step that ended: where flags say that a step
           begins an episode, by that of the next step.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation
from ppo_audit.probes.buffer import Ends, Fit, fitted, unheeded
from ppo_audit.probes.credit_lines import carried_at, flags_read_at
from ppo_audit.probes.loop import loop_of

RULE = Rule(
    code="PPO908",
    name="buffer-returns",
    family="trainer",
    severity=Severity.CRITICAL,
    kinds=("trainer",),
    needs=("loop",),
)


def check(subject: Subject) -> Violation | None:
    loop = loop_of(subject)
    fit, flags = fitted(loop)
    crossed = unheeded(fit, flags)
    if not crossed:
        return None
    best = min(crossed, key=lambda each: (each.faults, int(each.stopped.sum()), each.is_unusual))
    problem, where = _worst(best)
    step, env = (int(index) for index in where.nonzero()[0])
    return Violation(
        f"{problem} (flags `{best.flags.name}`).",
        counterexample={
            "step": step,
            "environment": env,
            "flag": bool(best.flags.ended[step, env]),
            "next_flag": bool(best.flags.ended[step + 1, env]),
            **_numbers(fit, step, env),
        },
        evidence={"gamma": fit.gamma, "gamma_times_lambda": fit.decay, "wrong_steps": best.faults},
        signature=problem,
        place=(None if bool(best.carried.any()) else flags_read_at(loop, best.flags.name)) or carried_at(loop),
    )


def _worst(best: Ends) -> tuple[str, torch.Tensor]:
    if bool(best.carried.any()):
        return "Later advantages are carried across the end of an episode", best.carried
    if bool(best.stopped.any()):
        return (
            "Credit stops where nothing ended, and crosses where an episode did: flags are one step off",
            best.stopped,
        )
    return "Advantages before the end of an episode depend on what lies behind it", best.crossed


def _numbers(fit: Fit, step: int, env: int) -> dict[str, float]:
    value, advantage = fit.buffer.following
    left = float(fit.buffer.left[step, env])
    whole = fit.gamma * float(value[step, env]) + fit.decay * float(advantage[step, env])
    return {"got": left, "inside_an_episode": whole, "at_an_end": 0.0}
