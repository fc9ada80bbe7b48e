"""How each correct loss is called: which parameter takes which tensor, and settings unlike the defaults.

`outcome(module, name, regime)` calls the loss on a seeded batch and returns everything that can be seen from outside:
the returned numbers, the gradient of each input, and what happened to inputs and generators.
"""

import dataclasses
import importlib.util
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

Tensors = dict[str, torch.Tensor]
LEAVES = (
    "logp", "value", "entropy", "logits", "mean", "log_std", "head_logp", "head_entropy", "quantiles",
    "token_logp", "token_value", "token_entropy",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Regime:
    name: str
    seed: int = 0
    samples: int = 8
    tokens: int = 6
    dtype: torch.dtype = torch.float64
    spread: float = 0.35  # standard deviation of the log-ratio
    settings: bool = True  # pass settings unlike the defaults
    change: Callable[[Tensors], None] = lambda tensors: None


def _gaussian_log_prob(x: torch.Tensor, mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
    return torch.distributions.Normal(mean, log_std.exp()).log_prob(x).sum(-1)


def _constant_advantage(t: Tensors) -> None:
    for name in ("adv", "token_adv", "sequence_adv", "reward"):
        t[name].fill_(0.7)


def _zero_advantage(t: Tensors) -> None:
    for name in ("adv", "token_adv", "sequence_adv"):
        t[name].zero_()


def _all_masked(t: Tensors) -> None:
    t["mask"].zero_()


def _one_valid(t: Tensors) -> None:
    t["mask"].zero_()
    t["mask"][0, 0] = 1


def _whole_row_masked(t: Tensors) -> None:
    t["mask"][-1] = 0


def _far_ratios(t: Tensors) -> None:
    """Log-ratios that a run can reach, two signs of the advantage at each."""
    far = torch.tensor([15.0, 15.0, 18.0, 18.0, -15.0, -15.0, 12.0, 12.0], dtype=t["logp"].dtype)
    t["logp"][:8] = t["old"][:8] + far
    t["token_logp"][:4] = t["token_old"][:4] + far[:4].unsqueeze(1)
    t["head_logp"][:8, 0] = t["head_old"][:8, 0] + far
    t["token_ref"][:4] = t["token_logp"][:4] - far[:4].unsqueeze(1)
    chosen = torch.log_softmax(t["logits"], -1).gather(1, t["action_index"].unsqueeze(1)).squeeze(1)
    t["logits_old"] = chosen - far
    apart = (2 * far.abs()).sqrt() * t["old_log_std"][:, 0].exp()
    t["log_std"] = t["old_log_std"].clone()
    t["mean"] = t["old_mean"].clone()
    t["mean"][:, 0] += apart
    t["action"] = torch.where(far.unsqueeze(1) > 0, t["mean"], t["old_mean"]) + 0.1
    t["gaussian_old"] = _gaussian_log_prob(t["action"], t["old_mean"], t["old_log_std"])
    for name in ("adv", "token_adv", "sequence_adv"):
        t[name][::2], t[name][1::2] = t[name][::2].abs(), -t[name][1::2].abs()
    t["reward"][1::2] = t["reward"][::2] - 1.0


def _overflowing_ratios(t: Tensors) -> None:
    _far_ratios(t)
    for new, old in (("logp", "old"), ("token_logp", "token_old"), ("head_logp", "head_old")):
        t[new][:2] = t[old][:2] + 100.0
    t["token_ref"][:2] = t["token_logp"][:2] + 100.0
    t["logits"][:, 0] += 100.0


def _offset(t: Tensors) -> None:
    for name in ("adv", "token_adv", "sequence_adv", "reward", "value", "old_value", "ret"):
        t[name].add_(1e4)


def _bool_mask(t: Tensors) -> None:
    t["mask"] = t["mask"].bool()


def _int_mask(t: Tensors) -> None:
    t["mask"] = t["mask"].long()
    t["drop"] = 1 - t["mask"]


def _near_reference(t: Tensors) -> None:
    _zero_advantage(t)
    t["token_ref"].copy_(t["token_logp"] + 1e-4)


REGIMES = (
    Regime("ordinary"),
    Regime("ordinary again", seed=1, samples=16, tokens=5, settings=False),
    Regime("default settings", seed=2, settings=False),
    Regime("far apart", seed=3, spread=1.2),
    Regime("one sample", seed=4, samples=1, tokens=1),
    Regime("constant advantages", seed=5, settings=False, change=_constant_advantage),
    Regime("zero advantages", seed=6, change=_zero_advantage),
    Regime("all masked", seed=7, change=_all_masked),
    Regime("one valid token", seed=8, change=_one_valid),
    Regime("a masked row", seed=9, change=_whole_row_masked),
    Regime("far ratios", seed=10, dtype=torch.float32, change=_far_ratios),
    Regime("overflowing ratios", seed=10, dtype=torch.float32, change=_overflowing_ratios),
    Regime("large offset", seed=11, dtype=torch.float32, change=_offset),
    Regime("near the reference", seed=12, dtype=torch.float32, change=_near_reference),
    Regime("bfloat16", seed=13, dtype=torch.bfloat16),
    Regime("boolean mask", seed=14, change=_bool_mask),
    Regime("integer mask", seed=15, change=_int_mask),
)


def make_batch(regime: Regime) -> Tensors:
    """Every tensor that some loss of the corpus takes, drawn from one seed."""
    g = torch.Generator().manual_seed(regime.seed)
    n, b, t, d, k = regime.samples, max(regime.samples // 2, 1), regime.tokens, 3, 5

    def normal(*shape: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64) * scale + shift

    tensors: Tensors = {}
    for prefix, shape in (("", (n,)), ("token_", (b, t))):
        old = -normal(*shape).abs() - 0.5
        tensors[f"{prefix}old"] = old
        tensors[f"{prefix}logp"] = old + normal(*shape, scale=regime.spread)
        tensors[f"{prefix}ref"] = old + normal(*shape, scale=0.3)
        tensors[f"{prefix}adv"] = normal(*shape, shift=0.3)
        tensors[f"{prefix}old_value"] = normal(*shape)
        tensors[f"{prefix}value"] = tensors[f"{prefix}old_value"] + normal(*shape, scale=0.6)
        tensors[f"{prefix}ret"] = tensors[f"{prefix}old_value"] + normal(*shape)
        tensors[f"{prefix}entropy"] = normal(*shape).abs() + 0.2
    tensors["sequence_adv"] = normal(b, shift=0.3)
    tensors["mask"] = (torch.rand(b, t, generator=g) < 0.7).to(torch.float64)
    tensors["mask"][:, 0] = 1.0
    tensors["logits"] = normal(n, k)
    tensors["action_index"] = torch.randint(k, (n,), generator=g)
    index = tensors["action_index"].unsqueeze(1)
    tensors["logits_old"] = torch.log_softmax(tensors["logits"] + normal(n, k, scale=regime.spread), -1)
    tensors["logits_old"] = tensors["logits_old"].gather(1, index).squeeze(1)
    tensors["old_mean"], tensors["old_log_std"] = normal(n, d), normal(n, d, scale=0.3, shift=-0.4)
    tensors["mean"] = tensors["old_mean"] + normal(n, d, scale=0.3 * regime.spread)
    tensors["log_std"] = tensors["old_log_std"] + normal(n, d, scale=0.3 * regime.spread)
    tensors["action"] = tensors["old_mean"] + normal(n, d) * tensors["old_log_std"].exp()
    tensors["gaussian_old"] = _gaussian_log_prob(tensors["action"], tensors["old_mean"], tensors["old_log_std"])
    tensors["head_old"] = -normal(n, d).abs() - 0.3
    tensors["head_logp"] = tensors["head_old"] + normal(n, d, scale=0.6 * regime.spread)
    tensors["head_entropy"] = normal(n, d).abs()
    tensors["old_quantiles"] = normal(n, k).sort(-1).values
    tensors["quantiles"] = (tensors["old_quantiles"] + normal(n, k, scale=0.5)).sort(-1).values
    tensors["group"] = torch.arange(n) % 3
    tensors["reward"], tensors["sequence_group"] = normal(b), torch.arange(b) * 3 // max(b, 4)
    if n >= 8:
        regime.change(tensors)
    tensors = {name: x.to(regime.dtype) if x.is_floating_point() else x for name, x in tensors.items()}
    tensors["probability_old"] = tensors["logits_old"].exp()
    tensors.setdefault("drop", 1 - tensors["mask"].to(torch.int64))
    return tensors | {name: tensors[name].clone().requires_grad_() for name in LEAVES}


# --- how the arguments are passed -----------------------------------------------------------------------------------

Caller = Callable[[ModuleType, dict[str, Any], dict[str, Any]], Any]


def keywords(module: ModuleType, tensors: dict[str, Any], settings: dict[str, Any]) -> Any:
    return module.loss(**tensors, **settings)


def constructed(module: ModuleType, tensors: dict[str, Any], settings: dict[str, Any]) -> Any:
    return module.Loss(**settings)(**tensors)


def made_by_factory(module: ModuleType, tensors: dict[str, Any], settings: dict[str, Any]) -> Any:
    return (module.make_loss(**settings) if settings else module.loss)(**tensors)


def in_a_dict(name: str) -> Caller:
    return lambda module, tensors, settings: module.loss(**{name: tensors}, **settings)


def in_a_namespace(name: str) -> Caller:
    return lambda module, tensors, settings: module.loss(**{name: SimpleNamespace(**tensors)}, **settings)


def with_rollout_data(module: ModuleType, tensors: dict[str, Any], settings: dict[str, Any]) -> Any:
    data = module.RolloutData(**{name: tensors.pop(name) for name in module.RolloutData._fields})
    return module.loss(**tensors, rollout_data=data, **settings)


def with_dataclasses(module: ModuleType, tensors: dict[str, Any], settings: dict[str, Any]) -> Any:
    return module.loss(module.MiniBatch(**tensors), module.PPOConfig(**settings))


def with_cfg(module: ModuleType, tensors: dict[str, Any], settings: dict[str, Any]) -> Any:
    return module.loss(**tensors, cfg=settings or None)


def with_policy(module: ModuleType, tensors: dict[str, Any], settings: dict[str, Any]) -> Any:
    evaluated = tuple(tensors.pop(name) for name in ("values", "log_prob", "entropy"))
    policy = SimpleNamespace(evaluate_actions=lambda obs, actions: evaluated)
    return module.loss(policy, SimpleNamespace(obs=None, actions=None, **tensors), **settings)


def with_args(module: ModuleType, tensors: dict[str, Any], settings: dict[str, Any]) -> Any:
    return module.loss(**tensors, **({"args": Namespace(**vars(module.DEFAULT_ARGS) | settings)} if settings else {}))


@dataclasses.dataclass(frozen=True)
class Call:
    # parameter or key -> name of a tensor of the batch; "-x" negates, "x|" is a column, "x?" is boolean
    fields: Mapping[str, str]
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    caller: Caller = keywords
    group_size: int = 1  # the number of sequences must be a multiple of it

    def __call__(self, module: ModuleType, batch: Tensors, with_settings: bool) -> Any:
        tensors = {parameter: _pick(batch, field) for parameter, field in self.fields.items()}
        return self.caller(module, tensors, dict(self.settings) if with_settings else {})


def _pick(batch: Tensors, field: str) -> torch.Tensor:
    tensor = batch[field.strip("-|?")]
    if field.startswith("-"):
        tensor = -tensor
    if field.endswith("|"):
        tensor = tensor.unsqueeze(-1)
    return tensor.bool() if field.endswith("?") else tensor


CALLS: dict[str, Call] = {
    "plain_min": Call({"logp": "logp", "old_logp": "old", "adv": "adv"}, {"clip": 0.15}),
    "cleanrl_minibatch": Call(
        {"newlogprob": "logp", "b_logprobs": "old", "b_advantages": "adv", "newvalue": "value", "b_values": "old_value",
         "b_returns": "ret", "entropy": "entropy"},
        {"clip_coef": 0.15, "ent_coef": 0.3, "vf_coef": 0.7},
    ),
    "spinup_g_form": Call({"logp": "logp", "logp_old": "old", "adv": "adv"}, {"clip_ratio": 0.15}, in_a_dict("data")),
    "one_sided_clamp": Call(
        {"log_probs": "logp", "old_log_probs": "old", "advantages": "adv", "values": "value", "returns": "ret"},
        {"clip_epsilon": 0.15, "critic_coeff": 0.6},
    ),
    "sb3_rollout_data": Call(
        {"values": "value", "log_prob": "logp", "entropy": "entropy", "old_values": "old_value", "old_log_prob": "old",
         "advantages": "adv", "returns": "ret"},
        {"clip_range": 0.15, "ent_coef": 0.3, "vf_coef": 0.7},
        with_rollout_data,
    ),
    "module_options": Call(
        {"log_prob": "logp", "old_log_prob": "old", "advantages": "adv", "value": "value", "value_target": "ret",
         "entropy": "entropy"},
        {"clip_eps": 0.15, "value_loss_coef": 0.7, "entropy_coef": 0.3, "normalize_advantage": False},
        constructed,
    ),
    "dataclass_config": Call(
        {"log_probs": "logp", "old_log_probs": "old", "advantages": "adv", "values": "value", "old_values": "old_value",
         "returns": "ret", "entropy": "entropy"},
        {"clip_param": 0.15, "vf_clip_param": 0.3, "vf_loss_coeff": 0.7, "entropy_coeff": 0.2},
        with_dataclasses,
    ),
    "dict_config": Call(
        {"logprobs": "logp", "old_logprobs": "old", "advantages": "adv", "state_values": "value",
         "rewards_to_go": "ret", "dist_entropy": "entropy"},
        {"eps_clip": 0.15, "vf_coef": 0.7, "ent_coef": 0.3, "norm_adv": False},
        with_cfg,
    ),
    "batch_dict": Call(
        {"log_probs": "logp", "old_log_probs": "old", "advantages": "adv", "values": "value", "returns": "ret",
         "entropy": "entropy"},
        {"clip_range": 0.15, "value_coef": 0.7, "entropy_coef": 0.3, "huber_delta": 0.6},
        in_a_dict("batch"),
    ),
    "attribute_batch": Call(
        {"log_prob": "token_logp", "old_log_prob": "token_old", "advantages": "token_adv", "values": "token_old_value",
         "vpreds": "token_value", "returns": "token_ret", "entropy": "token_entropy", "response_mask": "mask"},
        {"clip_ratio": 0.15, "cliprange_value": 0.3, "vf_coef": 0.7, "entropy_coeff": 0.3},
        in_a_namespace("batch"),
    ),
    "args_namespace": Call(
        {"newlogprob": "logp", "oldlogprob": "old", "advantages": "adv", "newvalue": "value", "oldvalue": "old_value",
         "returns": "ret", "entropy": "entropy"},
        {"clip_coef": 0.15, "ent_coef": 0.3, "vf_coef": 0.7, "norm_adv": True, "clip_vloss": True},
        with_args,
    ),
    "keyword_only": Call(
        {"logp_new": "logp", "logp_old": "old", "advantage": "adv", "v_pred": "value", "v_target": "ret",
         "entropy": "entropy"},
        {"epsilon": 0.15, "c1": 0.7, "c2": 0.3},
    ),
    "token_mean": Call(
        {"old_log_prob": "token_old", "log_prob": "token_logp", "advantages": "token_adv", "response_mask": "mask"},
        {"cliprange": 0.15},
    ),
    "grpo_sequence_mean": Call(
        {"per_token_logps": "token_logp", "old_per_token_logps": "token_old", "ref_per_token_logps": "token_ref",
         "advantages": "sequence_adv", "completion_mask": "mask"},
        {"epsilon": 0.15, "beta": 0.4},
    ),
    "dr_grpo_constant": Call(
        {"new_logprobs": "token_logp", "old_logprobs": "token_old", "advantages": "sequence_adv", "loss_mask": "mask"},
        {"clip_eps": 0.15, "max_completion_length": 9},
    ),
    "dapo_clip_higher": Call(
        {"logps": "token_logp", "old_logps": "token_old", "advantages": "token_adv", "token_mask": "mask?"},
        {"eps_low": 0.15, "eps_high": 0.35},
    ),
    "dual_clip_tokens": Call(
        {"old_log_prob": "token_old", "log_prob": "token_logp", "advantages": "token_adv", "response_mask": "mask"},
        {"clip_ratio_low": 0.15, "clip_ratio_high": 0.3, "clip_ratio_c": 1.6},
    ),
    "columns": Call(
        {"action_log_probs": "logp|", "old_action_log_probs_batch": "old|", "adv_targ": "adv|", "values": "value|",
         "value_preds_batch": "old_value|", "return_batch": "ret|", "dist_entropy": "entropy|"},
        {"clip_param": 0.15, "value_loss_coef": 0.7, "entropy_coef": 0.3},
    ),
    "closure_factory": Call(
        {"log_prob": "logp", "old_log_prob": "old", "gae": "adv", "value": "value", "old_value": "old_value",
         "targets": "ret", "entropy": "entropy"},
        {"clip_eps": 0.15, "vf_coef": 0.7, "ent_coef": 0.3},
        made_by_factory,
    ),
    "partial_policy": Call({"logp": "logp", "logp_old": "old", "advs": "adv"}, {"low": 0.85, "high": 1.3}),
    "helper_chain": Call(
        {"log_probs": "logp", "log_probs_old": "old", "advantages": "adv", "values": "value", "old_values": "old_value",
         "targets": "ret", "entropy": "entropy"},
        {"ratio_clip": 0.15, "value_clip": 0.4, "vf_coef": 0.7, "ent_coef": 0.3},
    ),
    "neglogpac": Call(
        {"neglogpac": "-logp", "oldneglogpac": "-old", "adv": "adv", "vpred": "value", "oldvpred": "old_value",
         "returns": "ret", "entropy": "entropy"},
        {"cliprange": 0.15, "ent_coef": 0.3, "vf_coef": 0.7},
    ),
    "dual_clip_tianshou": Call(
        {"logp": "logp", "logp_old": "old", "adv": "adv", "value": "value", "v_s": "old_value", "returns": "ret",
         "ent": "entropy"},
        {"eps_clip": 0.15, "dual_clip": 1.6, "vf_coef": 0.7, "ent_coef": 0.3},
    ),
    "value_own_radius": Call(
        {"log_prob": "logp", "old_log_prob": "old", "advantages": "adv", "values": "value", "old_values": "old_value",
         "returns": "ret"},
        {"clip_range": 0.15, "clip_range_vf": 0.3, "vf_coef": 0.7},
    ),
    "categorical_logits": Call(
        {"logits": "logits", "actions": "action_index", "old_log_probs": "logits_old", "advantages": "adv",
         "values": "value", "returns": "ret"},
        {"clip": 0.15, "value_weight": 0.7, "entropy_weight": 0.3},
    ),
    "categorical_distribution": Call(
        {"logits": "logits", "actions": "action_index", "old_logprobs": "logits_old", "advantages": "adv",
         "state_values": "value", "returns": "ret"},
        {"eps_clip": 0.15},
    ),
    "gaussian_by_hand": Call(
        {"means": "mean", "log_stds": "log_std", "actions": "action", "old_log_prob": "gaussian_old",
         "advantages": "adv"},
        {"clip_eps": 0.15, "ent_coef": 0.3},
    ),
    "normal_distribution": Call(
        {"mean": "mean", "log_std": "log_std", "action": "action", "old_logprob": "gaussian_old", "advantage": "adv",
         "value": "value", "ret": "ret"},
        {"clip_coef": 0.15, "vf_coef": 0.7, "ent_coef": 0.3},
    ),
    "masked_whitening": Call(
        {"logprobs": "token_logp", "old_logprobs": "token_old", "advantages": "token_adv", "vpred": "token_value",
         "values": "token_old_value", "returns": "token_ret", "mask": "mask"},
        {"cliprange": 0.15, "cliprange_value": 0.3},
    ),
    "on_policy_detach": Call(
        {"per_token_logps": "token_logp", "ref_per_token_logps": "token_ref", "advantages": "sequence_adv",
         "completion_mask": "mask"},
        {"beta": 0.4},
    ),
    "gspo_sequence": Call(
        {"log_probs": "token_logp", "old_log_probs": "token_old", "advantages": "sequence_adv",
         "response_mask": "mask"},
        {"clip_ratio_low": 0.15, "clip_ratio_high": 0.3},
    ),
    "cispo_weights": Call(
        {"logprobs": "token_logp", "old_logprobs": "token_old", "advantages": "token_adv", "loss_mask": "mask"},
        {"epsilon_high": 1.2},
    ),
    "a2c": Call(
        {"log_probs": "logp", "values": "value", "returns": "ret", "entropy": "entropy"},
        {"value_coef": 0.7, "entropy_coef": 0.3},
    ),
    "awr_plus_ppo": Call(
        {"log_prob": "logp", "old_log_prob": "old", "advantages": "adv"},
        {"clip_range": 0.15},
    ),
    "awr_actor_critic": Call(
        {"log_pi": "logp", "values": "value", "returns": "ret"},
        {"beta": 0.7, "weight_cap": 3.0, "critic_coef": 0.7},
    ),
    "log_ratio_clamp": Call(
        {"cur_logp": "logp", "old_logp": "old", "advantages": "adv", "entropy": "entropy"},
        {"pg_clip": 0.15, "ent_coef": 0.3, "kl_coef": 0.4},
    ),
    "log_space_clip": Call(
        {"log_prob": "logp", "sample_log_prob": "old", "advantage": "adv", "entropy": "entropy"},
        {"clip_epsilon": 0.15, "entropy_coeff": 0.3},
    ),
    "kl_penalty_gaussian": Call(
        {"means": "mean", "log_stds": "log_std", "old_means": "old_mean", "old_log_stds": "old_log_std",
         "actions": "action", "advantages": "adv"},
        {"kl_beta": 0.6},
    ),
    "kl_penalty_adaptive": Call(
        {"log_prob": "logp", "old_log_prob": "old", "advantages": "adv", "values": "value", "returns": "ret"},
        {"kl_coef": 0.6, "vf_coef": 0.7},
    ),
    "per_head_sum": Call(
        {"head_log_probs": "head_logp", "old_head_log_probs": "head_old", "advantages": "adv",
         "head_entropies": "head_entropy"},
        {"ppo_clip": 0.15, "ent_coef": 0.3},
    ),
    "float32_upcast": Call(
        {"log_probs": "token_logp", "old_log_probs": "token_old", "advantages": "token_adv", "action_mask": "mask"},
        {"eps_clip": 0.15},
    ),
    "objective_negated": Call(
        {"log_pi": "logp", "log_pi_old": "old", "A": "adv", "V": "value", "V_targ": "ret", "H": "entropy"},
        {"eps": 0.15, "c1": 0.7, "c2": 0.3},
    ),
    "sum_reduction": Call(
        {"logp_a": "logp", "logp_a_old": "old", "gae": "adv", "v": "value", "ret": "ret", "ent": "entropy"},
        {"clip_rate": 0.15, "vf_coef": 0.7, "ent_coef": 0.3},
    ),
    "padding_mask_drop": Call(
        {"new_logprobs": "token_logp", "mb_logprobs": "token_old", "mb_advantage": "token_adv", "vpred": "token_value",
         "mb_values": "token_old_value", "mb_return": "token_ret", "padding_mask": "drop?"},
        {"cliprange": 0.15, "cliprange_value": 0.3, "vf_coef": 0.7},
    ),
    "group_whitening": Call(
        {"log_probs": "logp", "old_log_probs": "old", "advantages": "adv", "group_ids": "group"},
        {"clip_range": 0.15},
    ),
    "quantile_critic": Call(
        {"log_prob": "logp", "old_log_prob": "old", "advantages": "adv", "quantiles": "quantiles",
         "old_quantiles": "old_quantiles", "returns": "ret"},
        {"clip_range": 0.15, "vf_coef": 0.7},
    ),
    "gaussian_exact_kl_module": Call(
        {"mu": "mean", "log_sigma": "log_std", "old_mu": "old_mean", "old_log_sigma": "old_log_std",
         "actions": "action", "advantages": "adv"},
        {"clip_param": 0.15, "kl_weight": 0.6, "entropy_coef": 0.3},
        constructed,
    ),
    "kl_in_reward": Call(
        {"logprobs": "logp", "old_logprobs": "old", "ref_logprobs": "ref", "advantages": "adv", "values": "value",
         "returns": "ret"},
        {"kl_coef": 0.4, "clip_range": 0.15, "vf_coef": 0.7},
    ),
    "custom_function": Call({"log_prob": "logp", "old_log_prob": "old", "advantages": "adv"}, {"clip_eps": 0.15}),
    "aggregation_modes": Call(
        {"old_log_prob": "token_old", "log_prob": "token_logp", "advantages": "token_adv", "response_mask": "mask"},
        {"clip_ratio": 0.15, "loss_agg_mode": "seq-mean-token-sum"},
    ),
    "grpo_rewards_by_size": Call(
        {"per_token_logps": "token_logp", "old_per_token_logps": "token_old", "rewards": "reward",
         "completion_mask": "mask"},
        {"num_generations": 2, "epsilon": 0.15},
        group_size=4,
    ),
    "grpo_rewards_by_id": Call(
        {"log_probs": "token_logp", "old_log_probs": "token_old", "rewards": "reward", "group_ids": "sequence_group",
         "response_mask": "mask"},
        {"clip_low": 0.15, "clip_high": 0.35},
    ),
    "rloo_rewards": Call(
        {"token_logprobs": "token_logp", "rewards": "reward", "response_mask": "mask"}, {"rloo_k": 2}, group_size=4
    ),
    "truncated_is": Call(
        {"log_probs": "token_logp", "old_log_probs": "token_old", "rollout_log_probs": "token_ref",
         "advantages": "token_adv", "loss_mask": "mask"},
        {"eps_clip": 0.15, "tis_cap": 1.2},
    ),
    "target_made_inside": Call(
        {"log_probs": "logp", "old_log_probs": "old", "advantages": "adv", "values": "value",
         "old_values": "old_value"},
        {"clip_eps": 0.15, "critic_coef": 0.7},
    ),
    "probability_ratio": Call(
        {"logits": "logits", "actions": "action_index", "old_action_probs": "probability_old", "advantages": "adv"},
        {"clip_ratio": 0.15},
    ),
    "policy_and_batch": Call(
        {"values": "value", "log_prob": "logp", "entropy": "entropy", "old_log_prob": "old", "advantages": "adv",
         "returns": "ret"},
        {"clip_param": 0.15, "value_coef": 0.7, "entropy_coef": 0.3},
        with_policy,
    ),
}  # fmt: skip


# --- what can be seen of one call -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Outcome:
    error: str = ""
    numbers: Tensors = dataclasses.field(default_factory=dict)  # everything returned, the loss first
    gradients: Tensors = dataclasses.field(default_factory=dict)
    mutated: tuple[str, ...] = ()
    disturbed: tuple[str, ...] = ()  # global state that the call left changed
    repeatable: bool = True

    @property
    def value(self) -> torch.Tensor:
        return next(iter(self.numbers.values()))

    def like(self, other: "Outcome") -> bool:
        """Equal in all that can be seen, numbers to rounding."""
        plain = ("error", "mutated", "disturbed", "repeatable")
        if any(getattr(self, name) != getattr(other, name) for name in plain):
            return False
        return _close(self.numbers, other.numbers) and _close(self.gradients, other.gradients)


def _close(a: Tensors, b: Tensors) -> bool:
    if a.keys() != b.keys():
        return False
    tolerance = {torch.float64: (1e-9, 1e-13), torch.float32: (1e-4, 1e-10)}
    for name, x in a.items():
        y = b[name]
        if x.shape != y.shape or x.dtype != y.dtype:
            return False
        rtol, floor = tolerance.get(x.dtype, (0.02, 1e-6))
        atol = max(floor, rtol * 1e-2 * float(torch.nan_to_num(y.double()).abs().max()))
        if not torch.allclose(x.double(), y.double(), rtol=rtol, atol=atol, equal_nan=True):
            return False
    return True


def regimes_for(name: str) -> tuple[Regime, ...]:
    """The regimes whose number of sequences the loss accepts."""
    return tuple(r for r in REGIMES if max(r.samples // 2, 1) % CALLS[name].group_size == 0)


def load(path: Path) -> ModuleType:
    """The module at `path`, under a name of its own."""
    name = f"corpus_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def flat(returned: Any, name: str = "0") -> Tensors:
    """All tensors and numbers of a returned scalar, tuple, dict or dataclass, by position or key."""
    if dataclasses.is_dataclass(returned) and not isinstance(returned, type):
        returned = vars(returned)
    if isinstance(returned, Mapping):
        return {k: v for key, item in returned.items() for k, v in flat(item, f"{name}.{key}").items()}
    if isinstance(returned, tuple):
        return {k: v for i, item in enumerate(returned) for k, v in flat(item, f"{name}.{i}").items()}
    return {name: torch.as_tensor(returned)}


def outcome(module: ModuleType, name: str, regime: Regime) -> Outcome:
    """One loss called on the batch of one regime: values, gradients, side effects."""
    batch, untouched = make_batch(regime), make_batch(regime)
    torch.manual_seed(1234)
    before = _global_state()
    try:
        numbers = flat(CALLS[name](module, batch, regime.settings))
        disturbed = tuple(what for what, state in _global_state().items() if state != before[what])
        torch.set_grad_enabled(True)
        mutated = tuple(k for k in batch if not torch.equal(_bits(batch[k]), _bits(untouched[k])))
        used = [k for k in LEAVES if batch[k].requires_grad]
        first = next(iter(numbers.values()))
        gradients = torch.autograd.grad(first, [batch[k] for k in used], allow_unused=True)
        torch.manual_seed(99)
        again = flat(CALLS[name](module, make_batch(regime), regime.settings))
    except Exception as error:  # the loss is somebody else's code: whatever it raises is what it does
        return Outcome(error=type(error).__name__)
    finally:
        torch.manual_seed(0), torch.set_grad_enabled(True), torch.set_default_dtype(torch.float32)
    return Outcome(
        numbers={k: v.detach() for k, v in numbers.items()},
        gradients={k: g for k, g in zip(used, gradients, strict=True) if g is not None},
        mutated=mutated,
        disturbed=disturbed,
        repeatable=_close({k: v.detach() for k, v in numbers.items()}, {k: v.detach() for k, v in again.items()}),
    )


def _global_state() -> dict[str, object]:
    return {
        "random numbers": torch.get_rng_state().numpy().tobytes(),
        "gradient mode": torch.is_grad_enabled(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
    }


def _bits(x: torch.Tensor) -> torch.Tensor:
    return torch.nan_to_num(x.detach())
