"""What kind of helper a function is, and what its parameters mean there: `masks` of a GAE function are 1 - done.

A helper is judged alone: returns and advantages of a rollout, normalisers, KL, entropy and log-prob functions. The name
of a parameter is read in the light of the others, since `next_value` beside rewards is no role of a loss.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from ppo_audit.targets.names import CONTAINER, role_of

ROLLOUT_NAMES: dict[str, str] = {
    "reward": "reward rewards rew rews r r_t rs mb_rewards token_level_rewards",
    "value": "value values vals val v v_t vs state_values value_preds vpred vpreds baseline baselines mb_values "
    "old_values critic_values state_value v_tm1",
    "next_value": "next_value next_values values_next next_vals v_next v_tp1 next_state_values next_v bootstrap_values "
    "successor_values next_state_value v_s_next vs_next value_next",
    "last_value": "last_value last_values last_val bootstrap_value bootstrap value_last last_v v_last final_value "
    "next_value_last last_gae_value",
    "final_value": "final_values terminal_values final_obs_values truncation_values timeout_values terminal_obs_values "
    "final_observation_values",
    "terminated": "terminated terminations terminateds term",
    "truncated": "truncated truncations truncateds time_outs timeouts time_out timeout truncs trunc",
    "done": "done dones d ds mb_dones masks mask not_dones not_done nonterminals nonterminal non_terminal "
    "non_terminals continues continuations cont episode_starts episode_start firsts is_first starts terminals terminal "
    "is_terminals is_terminal is_done is_dones dw dones_t end_flags ended ends",
    "next_done": "next_done next_dones last_done last_dones next_terminated next_is_first last_mask next_mask",
    "gamma": "gamma discount discount_factor g discount_rate",
    "gae_lambda": "gae_lambda lam lambda_ lmbda lambd lambda_coefficient gae_lam tau gae_tau lamda trace_decay",
    "horizon": "n n_step n_steps nstep num_steps horizon",
}
"""`tau` and `n` mean this only beside rewards."""
TOKEN_MASK = re.compile(r"response|completion|action|token|loss|valid|attention|pad|eos")
NORMALISER = re.compile(r"normali[sz](e|ation)|whiten|standardi[sz]e|scale_adv", re.IGNORECASE)
RETURNS = re.compile(r"gae|return|reward.?to.?go|rtg|discount|td_lambda|advantage|n_?step", re.IGNORECASE)
DISCOUNTED = re.compile(r"discount", re.IGNORECASE)
GROUP_SIZE = re.compile(
    r"^(num_generations|group_size|rloo_k|num_samples|n_samples|g|k|n|num_completions"
    r"|(samples|generations|completions|responses|rollouts|answers)_per_(prompt|problem|question|group|query|task))$"
)
GROUP_IDS = re.compile(r"^(index|idx|indices|uids?)$")
"""What names the group of a reward, where nothing else does."""
IN_TIME = frozenset("done terminated truncated gamma gae_lambda next_value last_value next_done".split())
LOSS = frozenset("log_prob old_log_prob advantage return_ action logits mean".split())

ACTION = re.compile(
    r"^(labels?|tokens?|token_ids|input_ids|ids|idx|index|indices|targets?|target_ids|responses?|completion_ids"
    r"|output_ids|selected|chosen|a|x)$"
)
"""What stands for the action beside logits."""
NEGATIVE = re.compile(r"neg|nll|nlp|surpris|cross_entropy|xent|loss|cost", re.IGNORECASE)
LOGARITHM = re.compile(r"log|nll|nlp|lp(_|$)|(_|^)ll", re.IGNORECASE)
"""Names of functions that speak of negative log-probs, and of logarithms."""
CLIP_FRACTION = re.compile(r"clip_?(ped_?)?frac|frac\w*clip", re.IGNORECASE)
REDUCER = re.compile(r"mean|sum|avg|average|agg|reduc", re.IGNORECASE)
MEAN = re.compile(r"mean|avg|average", re.IGNORECASE)
AXIS = re.compile(r"^(dim|axis)$")
RATIO = re.compile(r"^(?P<log>log_?)?(prob_?|pi_?|importance_?|is_?)?ratios?$|^(?P<rho>rhos?)$")

_ROLES = {name: role for role, names in ROLLOUT_NAMES.items() for name in names.split()}


def roles_of_steps(function: Callable[..., Any], overrides: Mapping[str, str]) -> dict[str, str | None]:
    """The role of each parameter in a function of rollouts; what a discounted sum is taken of are rewards."""
    names = parameters_of(function)
    roles = {name: overrides.get(name) or rollout_role(name) for name in names}
    if "x" in names and roles["x"] is None and "gamma" in roles.values() and DISCOUNTED.search(name_of(function)):
        roles["x"] = "reward"
    return roles


def rollout_role(name: str) -> str | None:
    """The role of a name in a function of rollouts; a mask over tokens is no done flag."""
    key = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")
    if "mask" in key and TOKEN_MASK.search(key):
        return "mask"
    for candidate in (key, re.sub(r"^(b|mb|batch|rollout|the)_|_(t|buf|buffer|batch|arr|seq)$", "", key)):
        if candidate in _ROLES:
            return _ROLES[candidate]
    return role_of(name)


def is_rollout_function(function: Callable[..., Any], overrides: Mapping[str, str]) -> bool:
    """Whether a function turns rewards of steps into advantages or returns."""
    found = set(roles_of_steps(function, overrides).values())
    if {overrides.get(name) or role_of(name) for name in parameters_of(function)} & LOSS:
        return False
    if {"value", "old_value"} <= {role_of(name) for name in parameters_of(function)} and not found & IN_TIME:
        return False  # new and old values beside rewards: what the critic is to predict
    in_time = found & {"value", "next_value", "last_value", "done", "terminated", "gamma"}
    if "reward" in found:
        return bool(in_time) and "group" not in found
    has_store = any(CONTAINER.match(name) or "buf" in name for name in parameters_of(function))
    return has_store and bool(found & {"last_value", "gae_lambda"}) and bool(RETURNS.search(name_of(function)))


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters that can be given by name or position; none where there is no signature."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    return {name: parameter for name, parameter in found.items() if parameter.kind not in VARIADIC}


VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def name_of(function: Any) -> str:
    """The plain name of a callable, or of the class that it is called on."""
    name = str(getattr(function, "__name__", type(function).__name__))
    owner = getattr(function, "__self__", None)
    return f"{type(owner).__name__}.{name}" if owner is not None and not inspect.ismodule(owner) else name


CONTROLLER_NAMES: dict[str, str] = {
    "kl": "kl kls current_kl kl_div mean_kl approx_kl observed_kl measured_kl kl_mean kl_value current approxkl "
    "kl_divergence avg_kl kl_dist new_kl last_kl d",
    "kl_target": "kl_target target_kl target desired_kl d_targ dtarg kl_targ kl_threshold target_value",
    "kl_coef": "kl_coef kl_coeff coef coeff beta kl_beta kl_ctl init_kl_coef initial_kl_coef init_coef kl_weight "
    "initial_beta init_beta kl_penalty_coef old_beta current_beta",
    "step_size": "lr learning_rate step_size current_lr init_lr initial_lr",
    "clip_range": "clip_range clip_param clip_eps eps_clip cliprange clip_coef",
    "steps": "n n_steps batch_size num_steps count steps n_samples",
    "horizon": "horizon kl_horizon adap_kl_horizon",
    "optimizer": "optimizer optim opt",
}
CONTROLLER = re.compile(r"adapt|adjust|update|controller|schedul|ctl", re.IGNORECASE)
CONTROLLED: dict[str, tuple[str, ...]] = {
    "kl_coef": ("value", "kl_coef", "kl_coeff", "coef", "beta", "kl_beta", "kl_ctl", "kl_weight"),
    "step_size": ("lr", "learning_rate", "step_size"),
    "clip_range": ("clip_range", "clip_param", "clip_eps"),
}
"""Attributes of an object that hold what it adapts."""


def controller_role(name: str) -> str | None:
    """The role of a name in a controller, where `target` is a KL and `beta` a coefficient."""
    key = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")
    return next((role for role, names in CONTROLLER_NAMES.items() if key in names.split()), None)
