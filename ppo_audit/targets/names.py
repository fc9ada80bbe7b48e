"""What a parameter or attribute name says about its role: a prior that behaviour has to confirm.

The names are those that public PPO, GRPO and RLHF code uses, most frequent first. Tensors and scalars have tables of
their own; a name that both could claim (`clip_ratio`, `beta`) stands where most code has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

TENSOR_NAMES: dict[str, str] = {
    "log_prob": "log_prob log_probs logprob logprobs logp logps logpi log_pi log_pi_taken action_log_prob "
    "action_log_probs actions_log_prob per_token_logps token_logprobs new_log_prob new_log_probs new_logprob "
    "new_logprobs newlogprob newlogprobs new_logp logp_new log_prob_new log_probs_new curr_log_probs curr_logprobs "
    "current_log_probs pi_logprobs pi_log_prob neglogp neglogpac neg_log_prob neg_log_probs neglogprob new_neglogp "
    "logprob_a_now a_logprob_now next_token_logprobs trainer_logprobs new_ll nlp new_nlp lp new_lp log_p log_p_new "
    "new_log_p lps new_lps log_policy policy_log_probs log_probabilities new_neglogpac cur_logp logp_now",
    "old_log_prob": "old_log_prob old_log_probs old_logprob old_logprobs old_logp old_logps logp_old log_prob_old "
    "log_probs_old logprobs_old old_action_log_probs_batch old_action_log_probs old_per_token_logps prev_log_prob "
    "prev_log_probs prev_logprobs prev_logp lp_prev behavior_log_prob behavior_log_probs behaviour_log_probs "
    "mb_logprobs b_logprobs mb_old_logprobs proximal_logprobs pi_old_logprobs sample_log_prob sampled_log_prob "
    "oldneglogpac old_neglogp old_neglogpac old_neglogprob neglogp_old neglogpac_old old_neg_log_prob old_ll old_log_p "
    "log_p_old old_lp lp_old old_nlp nlp_old old_log_pi a_logprob stored_log_probs rollout_log_probs "
    "behaviour_action_log_probs old_log_pi_taken old_actions_log_prob old_logpac old_log_probabilities b_old_logprobs "
    "logp_rollout logp_behavior old_lps lps_old",
    "ref_log_prob": "ref_log_prob ref_log_probs ref_logprob ref_logprobs ref_logp ref_logps logp_ref log_prob_ref "
    "log_probs_ref ref_per_token_logps log_probs_base reference_log_probs reference_logprobs "
    "reference_policy_logprobs base_log_probs base_logprobs logprobs_ref ref_lp lp_ref teacher_logp",
    "advantage": "advantage advantages adv advs a_hat adv_targ gae gaes mb_advantages mb_advantage b_advantages "
    "adv_batch sampled_advantages batch_advantages b_adv mb_adv advantage_batch target_weights weights_adv",
    "value": "value values new_value new_values newvalue newvalues values_pred value_pred vpred vpreds state_value "
    "state_values predicted_values pred_values v vf_preds vs_pred values_new value_new v_pred baseline critic "
    "quantiles new_quantiles pred_quantiles quantile_values value_quantiles new_vpred v_new v_now val vals",
    "old_value": "old_value old_values value_old values_old old_vpred old_vpreds oldvpred value_preds "
    "value_preds_batch mb_values mb_old_values b_values sampled_values old_state_values old_quantiles quantiles_old "
    "v_old old_v prev_values behavior_value oldvalue oldvalues v_s rollout_values stored_values vpred_old prev_value",
    "return_": "return_ returns ret rets return_batch value_target value_targets target_value target_values mb_returns "
    "b_returns mb_return v_target v_targ v_targs target_return target_returns td_target td_targets targets target "
    "target_quantiles quantile_targets sampled_returns lambda_returns vs ret_batch rtg rewards_to_go value_returns "
    "r_target vtarg vtargs vs_teacher reward_sum reward_sums discounted_rewards discounted_returns",
    "entropy": "entropy entropies dist_entropy ent curr_entropy policy_entropy policy_entropies token_entropy "
    "per_token_entropy action_entropy entropys dist_entropies",
    "mask": "mask masks response_mask loss_mask action_mask action_masks completion_mask valid valids valid_mask "
    "token_mask padding_mask pad_mask active_masks attention_mask alive target_mask completion_masks loss_masks "
    "response_masks is_pad is_padding seq_mask unmask unmasks eos_mask loss_weights",
    "group": "group groups group_id group_ids prompt_ids prompt_index group_index group_indices uids env_group",
    "action": "action actions act acts taken_actions action_taken b_actions",
    "logits": "logits action_logits policy_logits new_logits pi_logits",
    "old_logits": "old_logits logits_old behavior_logits",
    "mean": "mean means mu mus action_mean mean_new new_mean new_mu loc policy_mean",
    "log_std": "log_std log_stds logstd action_logstd new_log_std log_std_new log_sigma logsigma log_scale "
    "policy_log_std",
    "std": "std stds sigma sigmas action_std new_std std_new new_sigma scale",
    "old_mean": "old_mean old_means mean_old old_mu mu_old old_loc behavior_mean",
    "old_log_std": "old_log_std old_log_stds log_std_old old_logstd old_log_sigma behavior_log_std",
    "old_std": "old_std old_stds std_old old_sigma sigma_old behavior_std",
    "ref_mean": "ref_mean ref_mu",
    "ref_log_std": "ref_log_std",
    "reward": "reward rewards rew rews scores token_level_rewards token_level_scores",
    "terminated": "terminated terminations terminals terminateds",
    "truncated": "truncated truncations truncateds time_outs timeouts",
    "done": "done dones next_dones episode_starts done_mask",
    "next_value": "next_value next_values v_next values_next",
    "kl": "kl kls per_token_kl token_kl kl_div kl_divergence per_sample_kl exact_kl kl_per_sample",
    "last_value": "last_value last_values bootstrap_value bootstrap",
}

RATIO_NAMES = frozenset(
    "ratio ratios prob_ratio prob_ratios probability_ratio policy_ratio importance_ratio importance_ratios "
    "imp_ratio is_ratio p_ratio p_ratios rho rhos ratio_t ratios_t pi_ratio importance_weight "
    "importance_weights".split()
)
"""Names of a ratio that a function is given; it is made of log-probs and no role of a batch."""

SCALAR_NAMES: dict[str, str] = {
    "clip_range": "clip_range cliprange clip_param clip_eps clip_epsilon clip_coef eps_clip epsilon eps ppo_clip clip "
    "ratio_clip clip_ratio clip_rate e_clip epsilon_low eps_low clip_low clip_eps_low clip_ratio_low low_clip "
    "clip_range_low cliprange_low epsilon_lo clip_pg pg_clip policy_clip eps_ppo ppo_epsilon ppo_clip_ratio",
    "clip_range_high": "clip_range_high epsilon_high eps_high clip_high clip_eps_high clip_ratio_high high_clip "
    "cliprange_high epsilon_hi clip_higher",
    "clip_range_value": "clip_range_vf clip_range_value cliprange_value value_clip vf_clip clip_value value_clip_range "
    "vf_clip_param clip_eps_vf value_clip_eps vf_clip_range vf_clip_coef value_eps clip_vf v_clip value_clip_param "
    "cliprange_vf",
    "value_coef": "vf_coef value_coef value_loss_coef v_coef critic_coef vf_coeff value_coeff vf_loss_coeff c1 c_v "
    "critic_coeff value_weight value_loss_weight vf_weight c_value",
    "entropy_coef": "ent_coef entropy_coef entropy_coeff ent_coeff entropy_weight entropy_cost c2 c_e "
    "entropy_loss_coef beta_entropy ent_weight entropy_bonus c_entropy",
    "kl_coef": "kl_coef kl_coeff kl_beta beta kl_loss_coef kl_weight kl_ctl kl_penalty_coef beta_kl init_kl_coef",
    "gamma": "gamma discount discount_factor",
    "gae_lambda": "gae_lambda lam lambda_ lambda_coefficient gae_lam",
}

DEFAULT_VALUES = {
    "clip_range": 0.2,
    "clip_range_high": 0.2,
    "clip_range_value": 0.2,
    "value_coef": 0.5,
    "entropy_coef": 0.01,
    "kl_coef": 0.1,
    "gamma": 0.99,
    "gae_lambda": 0.95,
}
"""What a scalar gets where the target asks for it and offers no default."""

CONTAINER = re.compile(
    r"^(\w*_)?(batch|data|rollout|rollout_data|sample|samples|minibatch|mb|inputs|td|tensordict|tensors|transition|transitions"
    r"|episode|trajectory|traj|experience"
    r"|cfg|config|conf|args|hparams|hp|params|options|opts|hyper|hypers|settings|self|coefs?|coefficients)$"
)
MODEL = re.compile(r"^(\w*_)?(model|policy|agent|actor|critic|net|network|actor_critic|module|ac)$")

KEPT = re.compile(r"response|completion|generat|answer|loss|valid|attention|alive|active|keep|token|action")
DROPPED = re.compile(r"pad|drop|ignore|exclude|invalid|inv_|not_|inactive|done|end")

SYMBOLS = {"A": "advantage", "V": "value", "R": "return_", "G": "return_", "H": "entropy", "M": "mask"} | {
    "γ": "gamma", "λ": "gae_lambda", "ε": "clip_range", "β": "kl_coef"
}  # fmt: skip
"""The paper's letters; `a` and `r` in lower case are action and ratio or reward, so they say nothing."""

_TENSORS = {name: role for role, names in TENSOR_NAMES.items() for name in names.split()}
_SCALARS = {name: role for role, names in SCALAR_NAMES.items() for name in names.split()}
_PREFIX = re.compile(r"^(b|mb|batch|rollout|minibatch|the|x|t)_|_(batch|mb|b|t)$")
ROLES = frozenset(TENSOR_NAMES) | frozenset(SCALAR_NAMES) | {"ratio"}


def role_of(name: str) -> str | None:
    """The role that a name suggests: `mb_advantages` -> `advantage`; None where it says nothing.

    A bare container prefix (`b_`, `mb_`) is dropped only where the full name is unknown, since `mb_values` is old.
    """
    if name in SYMBOLS:
        return SYMBOLS[name]
    key = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")
    bare = _PREFIX.sub("", key)
    exact = (_TENSORS.get(candidate) or _SCALARS.get(candidate) for candidate in (name.lower(), key))
    return next(filter(None, exact), None) or _by_words(key) or _TENSORS.get(bare) or _SCALARS.get(bare)


def settle(names: Mapping[str, str]) -> dict[str, str]:
    """Where two names claim one role, one is of the past: what does not say `new`, or what a container holds."""
    settled = dict(names)
    for role, past in (("value", "old_value"), ("log_prob", "old_log_prob")):
        claims = [name for name, claimed in names.items() if claimed == role]
        kept = _past_of(claims) if past not in names.values() else []
        settled |= dict.fromkeys(kept, past)
    olds = [name for name, claimed in names.items() if claimed == "old_log_prob"]
    if len(olds) == 2 and "log_prob" not in names.values():  # `gen_logps` beside `old_logps` is the newer one
        plain = [name for name in olds if not re.search(r"old|prev|behav", name.rpartition(".")[2].lower())]
        settled |= dict.fromkeys(plain, "log_prob") if len(plain) == 1 else {}
    if _is_goal_of_a_critic({*settled.values()}):
        settled |= {name: "return_" for name, role in settled.items() if role == "reward"}
    if "value" not in settled.values():  # a prediction is old only beside a newer one
        settled |= {name: "value" for name, role in settled.items() if role == "old_value" and "pred" in name}
    return settled


def _is_goal_of_a_critic(roles: set[str]) -> bool:
    """Whether what is called a reward is the goal of the values: they have no other, and credit is given already."""
    in_time = {"group", "done", "terminated", "truncated", "gamma", "next_value", "last_value"}
    return "value" in roles and not roles & {"return_", *in_time} and bool(roles & {"advantage", "old_value"})


def _past_of(claims: list[str]) -> list[str]:
    """Of two names with one role, the one of the past; none where nothing tells them apart."""
    if len(claims) != 2:
        return []
    fresh = [name for name in claims if re.search(r"new|pred|curr|now|_$", name.rpartition(".")[2].lower())]
    stored = [name for name in claims if "." in name]
    if len(fresh) == 1:
        return [name for name in claims if name not in fresh]
    return stored if len(stored) == 1 else []


def says_kept(name: str) -> bool:
    """Whether a mask of this name marks what counts: `response_mask` does, `padding_mask` not, `mask` may."""
    bare = name.rpartition(".")[2].lower()
    return bool(KEPT.search(bare)) and not DROPPED.search(bare)


def is_scalar(role: str) -> bool:
    return role in SCALAR_NAMES


def _by_words(key: str) -> str | None:
    """The role from the words a compound name is made of; exact tables come first."""
    is_log_prob = re.search(r"log_?p(rob|s|i|$|_)|logp|lp$|^lp|^log_(old|new|prev|ref)_?pi", key)
    if is_log_prob and re.search(r"ref(erence)?_|_ref|base", key):
        return "ref_log_prob"
    if is_log_prob and OF_THE_PAST.search(key):
        return "old_log_prob"
    if is_log_prob:
        return "log_prob"
    words = frozenset(key.split("_"))
    if SWITCH.match(key):
        return None
    return _scalar_of(words, key) or _tensor_of(words, key)


OF_THE_PAST = re.compile(r"old|prev|behav|stored|rollout|sampl|fixed|vllm|infer|(^|_)gen(_|$|erat(ion|or|ed))")
SWITCH = re.compile(r"^(use|is|has|do|with|norm|normali[sz]e|standardi[sz]e|whiten|scale|clip_grad|max_grad)(_|$)")
"""A name that begins so switches something on or off, and is no number of the loss."""
VALUES = frozenset("value values val vals vpred vpreds vs vf critic".split())
BESIDE_A_VALUE = VALUES | frozenset(
    "v new old prev previous behavior behaviour stored rollout pred preds predicted prediction predictions current "
    "curr cur now state states resp response token tokens phi theta mb b batch output outputs out est "
    "estimate estimates target targets targ targs teacher label labels return returns".split()
)
"""What may stand beside the word for a value without making it something else."""
OLD = frozenset("old prev previous behavior behaviour stored rollout".split())
GOALS = frozenset("target targets targ targs teacher label labels return returns".split())
UPPER, LOWER = frozenset("high higher hi upper up max".split()), frozenset("low lower lo min".split())
COEFFICIENT = re.compile(r"coeff?(icient|s)?$|(^|_)(weight|beta|lambda|lam|cost)(_|$)")
OTHER_CLIPS = frozenset("c dual log grad norm reward rewards frac fraction mask score obs delta loss vloss".split())
"""Words that make a clip another one than that of the ratio."""
ABOUT_ADVANTAGES = frozenset("eps epsilon norm estimator mean std type tau coef weight weights cost costs c".split())
"""Words that make it a number, or credit of another kind: what a constraint costs is pushed down, not up."""


def _scalar_of(words: frozenset[str], key: str) -> str | None:
    """A clip range or coefficient from its words, in any order: `eps_clip_high`, `vfcoef`, `lambda_entropy`."""
    is_clip = bool(words & {"clip", "cliprange", "clipping"}) or bool(
        words & {"eps", "epsilon"} and words & (UPPER | LOWER)
    )
    if is_clip and not words & OTHER_CLIPS:
        if words & (VALUES | {"v"}):
            return "clip_range_value"
        return "clip_range_high" if words & UPPER else "clip_range"
    if not COEFFICIENT.search(key):
        return None
    if words & {"gae", "adv", "advantage"}:
        return "gae_lambda" if words & {"lambda", "lam"} else None
    owners = (("ent", "entropy_coef"), ("vf|value|critic", "value_coef"), ("kl", "kl_coef"))
    return next((role for start, role in owners if re.search(rf"(^|_)({start})", key)), None)


def _tensor_of(words: frozenset[str], key: str) -> str | None:
    if re.search(r"^adv|_adv(antages?)?$", key) and not words & ABOUT_ADVANTAGES:
        return "advantage"
    if re.search(r"entrop(y|ies)$", key):
        return "entropy"
    if re.search(r"(^|_)masks?(_p?\d+)?$|^mask_", key) and not re.search(r"legal|avail", key):  # those are of choices
        return "mask"
    if words & {"logit", "logits"}:
        other = re.search(r"ref|base|teacher|pretrain", key)
        return None if other else "old_logits" if words & OLD else "logits"
    if words & (VALUES - {"vf", "critic"}) and words <= BESIDE_A_VALUE:
        return "return_" if words & GOALS else "old_value" if words & OLD else "value"
    return None
