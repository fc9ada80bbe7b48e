"""What rules about returns measure, and which of them owns a fault that several of them see."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.helpers.returns import ENDS, Returns, true_advantage
from ppo_audit.helpers.rollout import ENVS, STEPS, Rollout
from ppo_audit.reference import td_errors

CHAIN = ("PPO601", "PPO602", "PPO603", "PPO604", "PPO605", "PPO607", "PPO608")
"""Rules that judge the same advantages; PPO606 compares two outputs, PPO609 two calls."""
LARGE = 100.0
TRUNCATIONS = {"truncated": ((2, 0), (4, 1), (0, 2), (5, 2)), "terminated": ((3, 2), (1, 1))}
"""Time limits inside and terminations beside them, as (step, environment)."""


def bellman_consistent(helper: Returns) -> Rollout:
    """A rollout whose values are exact: every TD error is zero, and so is every advantage."""
    rollout = helper.rollout(ENDS if helper.needs(("flags",)) is None else None, seed=5)
    following = torch.where(rollout.terminated, 0.0, rollout.next_value)
    return dataclasses.replace(rollout, reward=rollout.value - rollout.gamma * following)


def time_limits(helper: Returns) -> Rollout:
    """A rollout with truncations, as far as the helper is told of them; terminations alone where it takes no others."""
    rollout = helper.rollout(TRUNCATIONS, seed=3)
    if not bool(rollout.truncated.any()):
        raise NotApplicable("the helper takes no flags of ends of episodes")
    return rollout


def misfit(helper: Returns, rollout: Rollout) -> torch.Tensor:
    """How far the advantages are from their definition, (T, N)."""
    return (helper.advantage(rollout) - true_advantage(rollout)).abs()


def close(error: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    """Where an error is rounding; NaN is none. A normaliser's own epsilon is allowed for."""
    return error <= 1e-6 * scale


def mixes_environments(helper: Returns) -> torch.Tensor:
    """Per environment but the first: how far its advantages move when only the first one's data change, (T, N - 1)."""
    if helper.convention.layout == "T":
        raise NotApplicable("the helper takes one environment at a time")
    if helper.convention.normalised is not None and not helper.convention.reads_returns:
        raise NotApplicable("the helper normalises its advantages over all environments, and returns nothing else")
    first, other = helper.rollout(seed=7), helper.rollout(seed=8)
    only = lambda one, two: torch.cat([two[:, :1], one[:, 1:]], dim=1)
    mixed: dict[str, Any] = {
        name: only(getattr(first, name), getattr(other, name)) for name in ("reward", "value", "next_value")
    }
    return (helper.advantage(dataclasses.replace(first, **mixed)) - helper.advantage(first))[:, 1:].abs()


def scale_error(helper: Returns) -> torch.Tensor:
    """How far a hundredfold reward and value is from a hundredfold advantage, relative to it, (T, N)."""
    rollout = helper.rollout(seed=9)
    return (helper.advantage(rollout.scaled(LARGE)) / LARGE - helper.advantage(rollout)).abs()


def takes_flags_inverted(helper: Returns) -> bool:
    """Whether the advantages are right once every flag is turned round."""
    if helper.needs(("flags",)) is not None:
        return False
    turned = dataclasses.replace(helper.convention, negated=not helper.convention.negated)
    other = dataclasses.replace(helper, convention=turned)
    rollout = helper.rollout(ENDS, seed=2)
    return (
        "done" in helper.available
        and bool(close(misfit(other, rollout)).all())
        and not bool(close(misfit(helper, rollout)).all())
    )


def root(helper: Returns) -> str | None:
    """The first rule in the order from input to output that fails; the others then only show it."""
    if helper.convention.layout != "T" and _mixes(helper):
        return "PPO607"
    if not bool(close(scale_error(helper)).all()):
        return "PPO608"
    if takes_flags_inverted(helper):
        return "PPO604"
    if not bool(close(misfit(helper, helper.rollout())).all()):
        return _root_of_recursion(helper)
    if helper.needs(("flags",)) is None and not bool(close(misfit(helper, helper.rollout(ENDS, seed=2))).all()):
        return "PPO604"
    return "PPO605"


def _mixes(helper: Returns) -> bool:
    try:
        return not bool(close(mixes_environments(helper)).all())
    except NotApplicable:
        return False


def _root_of_recursion(helper: Returns) -> str:
    """Where no episode ends: the TD error (601) if exact values give no zero, else its sum (603); 602 if no lambda."""
    if "gae_lambda" not in helper.available:
        return "PPO602"
    rollout = helper.rollout()
    if _is_turned_round(helper, rollout):
        return "PPO603"
    exact = dataclasses.replace(rollout, reward=rollout.reward - td_errors_of(rollout))
    return "PPO603" if bool(close(helper.advantage(exact).abs()).all()) else "PPO601"


def _is_turned_round(helper: Returns, rollout: Rollout) -> bool:
    """Whether the outputs are right but in the order of the loop: from the last step to the first."""
    outputs = helper.outputs(rollout).values()
    right = [true_advantage(rollout) + offset for offset in (0.0, rollout.value)]
    right += [true_advantage(rollout).flip(0) + rollout.value]
    return any(bool(close((out.flip(0) - want).abs()).all()) for out in outputs for want in right)


def td_errors_of(rollout: Rollout) -> torch.Tensor:
    """r + gamma V(s') - V(s) of every step, without V(s') where the step terminated."""
    errors: torch.Tensor = td_errors(
        rollout.reward, rollout.value, rollout.next_value, rollout.terminated, rollout.gamma
    )
    return errors


def with_next_episode(rollout: Rollout) -> Rollout:
    """The same up to every time limit, with other data in all steps behind the first one of each environment."""
    behind = (rollout.truncated.long().cumsum(0) - rollout.truncated.long()) > 0
    reward = torch.where(behind, rollout.reward + 0.37, rollout.reward)
    value = torch.where(behind, rollout.value - 0.29, rollout.value)
    # successors inside an episode are the values of its next step; those at its end belong to it and stay
    moved = torch.where(rollout.ended[:-1], rollout.next_value[:-1], value[1:])
    return dataclasses.replace(
        rollout, reward=reward, value=value, next_value=torch.cat([moved, rollout.next_value[-1:]])
    )


def rollout_columns(rollout: Rollout) -> dict[str, torch.Tensor]:
    """Step, environment, reward and value of every entry, for a counterexample."""
    step, env = torch.meshgrid(torch.arange(STEPS), torch.arange(ENVS), indexing="ij")
    named = {"step": step, "environment": env, "reward": rollout.reward, "value": rollout.value}
    return {name: tensor.flatten() for name, tensor in named.items()}
