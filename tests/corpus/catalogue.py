"""The corpus: correct losses in many honest styles, and faults as one edit each of a correct one.

`CORRECT` lists the files of `correct/`; `FAULTS` the edits for the core rules, `FAULTS_LATER` those for the rest of the
catalogue. A fault is text: `old` occurs exactly once in its base and is replaced by `new`. Its place is the first line
that the edit changes. How each loss is called stands in `calls.py`, for the tests and for nobody else.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / "correct"


@dataclass(frozen=True)
class Correct:
    name: str
    attribute: str = "loss"
    style: str = "function"
    hazards: tuple[str, ...] = ()
    note: str = ""
    kind: str = "loss"
    folder: str = "correct"

    @property
    def path(self) -> Path:
        return HERE / self.folder / f"{self.name}.py"


@dataclass(frozen=True)
class Fault:
    name: str
    base: str
    old: str
    new: str
    rule: str
    also: tuple[str, ...] = ()
    source: str = ""
    note: str = ""
    at: str = ""
    """Text of the line where the finding belongs, where the edit leaves nothing of its own behind: an omission."""
    folder: str = "correct"

    @property
    def before(self) -> str:
        """The text of the correct file."""
        return (HERE / self.folder / f"{self.base}.py").read_text()


def source_of(fault: Fault) -> str:
    """The text of the faulty file."""
    text = fault.before
    count = text.count(fault.old)
    assert count == 1, f"`{fault.name}`: its old text occurs {count} times in {fault.base}.py, expected once"
    return text.replace(fault.old, fault.new)


def edited_line(fault: Fault) -> int:
    """The number (from 1) of the first line at which the faulty file differs from its base."""
    before, after = fault.before.splitlines(), source_of(fault).splitlines()
    for number, (old, new) in enumerate(zip(before, after, strict=False), start=1):
        if old != new:
            return number
    raise AssertionError(f"`{fault.name}` changes nothing")


def lines_of(fault: Fault) -> set[int]:
    """The lines, from 1, at which a finding is in its place: all that the edit changes or adds, or the line of `at`."""
    before, after = fault.before.splitlines(), source_of(fault).splitlines()
    if fault.at:
        return {number for number, line in enumerate(after, start=1) if fault.at in line}
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    blocks = [(start, end) for tag, _, _, start, end in matcher.get_opcodes() if tag != "equal"]
    return {line + 1 for start, end in blocks for line in range(start, max(end, start + 1))}


def write(fault: Fault, folder: Path) -> Path:
    """The faulty file, written into `folder` under the fault's name."""
    path = folder / f"{fault.name}.py"
    path.write_text(source_of(fault))
    return path


EXP = "PPO101"
ONE = "PPO202"

CORRECT = (
    Correct("plain_min", style="function", hazards=(EXP,)),
    Correct("cleanrl_minibatch", style="function", hazards=(EXP, ONE), note="value clip shares the policy's epsilon"),
    Correct("spinup_g_form", style="dict of data", hazards=(EXP,), note="F28: the g-form equals the min form"),
    Correct("one_sided_clamp", style="function", hazards=(EXP,), note="F29: equals the two-sided form"),
    Correct("sb3_rollout_data", style="namedtuple batch", hazards=(EXP,), note="the one-sample guard is Python"),
    Correct("module_options", attribute="Loss", style="nn.Module", hazards=(EXP,)),
    Correct("dataclass_config", style="dataclass batch and config", hazards=(EXP,)),
    Correct("dict_config", style="dict config", hazards=(EXP,), note="one mean over all terms"),
    Correct("batch_dict", style="dict batch", hazards=(EXP,), note="Huber value loss"),
    Correct("attribute_batch", style="attribute batch", hazards=(EXP,), note="`values` are old, `vpreds` new"),
    Correct("args_namespace", style="argparse namespace", hazards=(EXP,), note="switches read from args"),
    Correct("keyword_only", style="keyword only", hazards=(EXP,), note="smooth L1 value loss"),
    Correct("token_mean", style="tokens", hazards=(EXP,), note="old log-probs come first"),
    Correct("grpo_sequence_mean", style="tokens", hazards=(EXP,), note="k3 against the reference"),
    Correct("dr_grpo_constant", style="tokens", hazards=(EXP,), note="constant-length denominator"),
    Correct("dapo_clip_higher", style="tokens", hazards=(EXP,), note="boolean mask, asymmetric clip"),
    Correct("dual_clip_tokens", style="tokens", note="dual clip bounds the gradient; clamp at +-20 outside its reach"),
    Correct("columns", style="[N, 1] columns", hazards=(EXP,)),
    Correct("closure_factory", style="closure", hazards=(EXP,), note="population standard deviation"),
    Correct("partial_policy", style="functools.partial", note="log-ratio clamp at +-10: PPO109 is potential only"),
    Correct("helper_chain", style="helper chain", hazards=(EXP,), note="-H is named entropy_loss and added"),
    Correct("neglogpac", style="function", hazards=(EXP,), note="F01: negative log-probs"),
    Correct("dual_clip_tianshou", style="function", note="dual clip on by default"),
    Correct("value_own_radius", style="function", hazards=(EXP,), note="value clip off by default"),
    Correct("categorical_logits", style="from logits", hazards=(EXP,), note="F04: loss_entropy holds -H"),
    Correct("categorical_distribution", style="from logits", hazards=(EXP,)),
    Correct("gaussian_by_hand", style="from means and log-stds", hazards=(EXP,)),
    Correct("normal_distribution", style="from means and log-stds", hazards=(EXP,)),
    Correct("masked_whitening", style="tokens", hazards=(EXP,), note="integer mask; whitening over valid tokens"),
    Correct("on_policy_detach", style="tokens", note="ratio 1 by construction, with a live gradient"),
    Correct("gspo_sequence", style="sequence level", note="capped mean log-ratio"),
    Correct("cispo_weights", style="tokens", note="detached capped weight times log-prob"),
    Correct("a2c", style="function", note="no ratio; the advantage is made inside and detached"),
    Correct("awr_plus_ppo", style="function", hazards=(EXP,), note="weights exp(A), capped at 20"),
    Correct("awr_actor_critic", style="function", note="no ratio, no old policy"),
    Correct("log_ratio_clamp", style="function", hazards=(EXP,), note="exp(20) is still reachable; k2 penalty"),
    Correct("log_space_clip", style="function", hazards=(EXP,), note="only the clipped branch is bounded"),
    Correct(
        "kl_penalty_gaussian", style="from means and log-stds", hazards=(EXP,), note="no clip; exact KL(old || new)"
    ),
    Correct("kl_penalty_adaptive", style="function", hazards=(EXP,), note="no clip; k3 of old to new on old samples"),
    Correct("per_head_sum", style="per-head log-probs", hazards=(EXP,)),
    Correct("float32_upcast", style="tokens", hazards=(EXP,), note="casts down from float64 too"),
    Correct("objective_negated", style="function", hazards=(EXP,), note="an objective, negated at the end"),
    Correct("sum_reduction", style="function", hazards=(EXP,), note="sums, not means"),
    Correct("padding_mask_drop", style="tokens", hazards=(EXP,), note="mask marks what to drop; `mb_values` are old"),
    Correct("group_whitening", style="groups", hazards=(EXP,), note="standardised within each group"),
    Correct("quantile_critic", style="distributional critic", hazards=(EXP,), note="quantile Huber, no value clip"),
    Correct("gaussian_exact_kl_module", attribute="Loss", style="nn.Module from means and log-stds", hazards=(EXP,)),
    Correct("kl_in_reward", style="function", hazards=(EXP,), note="effective advantage is A - kl_coef (old - ref)"),
    Correct("custom_function", style="autograd.Function", hazards=(EXP,), note="backward written by hand"),
    Correct("aggregation_modes", style="tokens, mode by name", hazards=(EXP,)),
    Correct(
        "grpo_rewards_by_size", style="groups from rewards", hazards=(EXP,), note="4 completions a prompt, adjacent"
    ),
    Correct("grpo_rewards_by_id", style="groups from rewards", hazards=(EXP,), note="groups of any size, also of one"),
    Correct("rloo_rewards", style="groups from rewards", note="no ratio; sequence log-prob"),
    Correct("truncated_is", style="tokens", hazards=(EXP,), note="`rollout_log_probs`: the sampler's"),
    Correct("target_made_inside", style="function", hazards=(EXP,), note="value target is advantage + old value"),
    Correct("probability_ratio", style="from logits", hazards=(EXP,), note="F16; a ratio of e^20 needs no exp"),
    Correct(
        "policy_and_batch", style="policy and batch", hazards=(EXP,), note="needs --inputs policy_and_batch:make_args"
    ),
)

# fmt: off

FAULTS = (
    # 0xx target -----------------------------------------------------------------------------------------------------
    Fault("two_samples_demanded", "helper_chain", "        return x\n",
          "        raise ValueError(\"two samples are needed\")\n", "PPO001", ("PPO509",), source="common slip",
          note="a remainder minibatch of one sample ends the run"),
    Fault("ragged_rows_stacked", "dapo_clip_higher", "token_loss.sum() / max(token_loss.numel(), 1)",
          "token_loss.view(len(token_mask), -1).mean(-1).mean()", "PPO001", source="common slip",
          note="valid tokens fill a rectangle only while no sequence ends early"),
    Fault("noise_on_advantages", "one_sided_clamp", "-(limited * advantages).mean()",
          "-(limited * (advantages + 0.01 * torch.randn_like(advantages))).mean()", "PPO002", ("PPO004",),
          source="D06"),
    Fault("dropout_left_on", "sum_reduction", "F.mse_loss(v, ret,", "F.mse_loss(F.dropout(v, 0.1), ret,", "PPO002",
          ("PPO004", "PPO301"), source="D06"),
    Fault("normalises_in_place", "closure_factory", "gae = (gae - gae.mean()) / (gae.std(correction=0) + 1e-8)",
          "gae = gae.sub_(gae.mean()).div_(gae.std(correction=0) + 1e-8)", "PPO003", source="D06, A11"),
    Fault("masks_in_place", "attribute_batch", "pg_losses = -batch.advantages * ratio",
          "pg_losses = -batch.advantages.mul_(mask) * ratio", "PPO003", source="D06"),
    Fault("log_of_log_std", "gaussian_by_hand", "return (log_stds + 0.5", "return (log_stds.log() + 0.5", "PPO005",
          ("PPO403",), source="F10 family"),
    Fault("log_of_log_ratio", "grpo_sequence_mean", "torch.exp(delta) - delta - 1",
          "torch.exp(delta) - torch.log(delta) - 1", "PPO005", ("PPO411", "PPO412"), source="slip in r - log r - 1"),
    Fault("advantage_not_detached", "a2c", "returns - values.detach()", "returns - values", "PPO008", ("PPO301",),
          source="R049 icoxfog417/baby-steps-of-rl-ja#16"),
    Fault("live_penalty_in_advantage", "kl_in_reward", "kl_coef * (old_logprobs - ref_logprobs)",
          "kl_coef * (logprobs - ref_logprobs)", "PPO008", ("PPO102", "PPO104", "PPO206"), source="K07",
          note="k1 in the reward must be a constant of the update"),
    # 1xx ratio and clip ---------------------------------------------------------------------------------------------
    Fault("log_ratio_unguarded", "partial_policy", "torch.clamp(logp - logp_old, -bound, bound)", "logp - logp_old",
          "PPO101", ("PPO007",), source="implementations H1", at="log_ratio.exp()",
          note="a guard that is missing leaves no line: the hazard is the exponential"),
    Fault("sequence_bound_at_20", "gspo_sequence", "max=10.0", "max=20.0", "PPO101", source="analysis #1"),
    Fault("dual_clip_lost", "dual_clip_tokens", "bounded = torch.min(-advantages * clip_ratio_c, pessimistic)",
          "bounded = pessimistic", "PPO101", ("PPO007",), source="R014 THUDM/slime#2247", at="torch.exp(log_ratio)",
          note="without the dual clip the hazard is the exponential"),
    Fault("no_clip_at_all", "plain_min", "-torch.min(surr1, surr2).mean()", "-surr1.mean()", "PPO102", ("PPO007",),
          source="C01"),
    Fault("min_of_the_same", "sb3_rollout_data", "torch.min(policy_loss_1, policy_loss_2)",
          "torch.min(policy_loss_1, policy_loss_1)", "PPO102", ("PPO007",), source="C01, copy and paste"),
    Fault("upper_clip_only", "columns", "torch.clamp(ratio, 1.0 - clip_param, 1.0 + clip_param)",
          "torch.clamp(ratio, max=1.0 + clip_param)", "PPO102", ("PPO106",), source="C01"),
    Fault("g_form_lower_bound_lost", "spinup_g_form", "(1 - clip_ratio) * adv)", "ratio * adv)", "PPO102", ("PPO106",),
          source="F28 gone wrong"),
    Fault("clip_without_min", "neglogpac", "torch.mean(torch.maximum(pg_losses, pg_losses2))", "torch.mean(pg_losses2)",
          "PPO103", source="R002 tensorforce/tensorforce#106"),
    Fault("min_of_negated", "cleanrl_minibatch", "pg_loss = torch.max(pg_loss1, pg_loss2).mean()",
          "pg_loss = torch.min(pg_loss1, pg_loss2).mean()", "PPO103", ("PPO102",), source="F02 gone wrong"),
    Fault("max_for_min", "per_head_sum", "torch.minimum(ratio * advantages,", "torch.maximum(ratio * advantages,",
          "PPO103", ("PPO102",), source="C03"),
    Fault("min_before_advantage", "objective_negated", "torch.min(r * A, torch.clamp(r, 1 - eps, 1 + eps) * A)",
          "torch.min(r, torch.clamp(r, 1 - eps, 1 + eps)) * A", "PPO103", ("PPO102",), source="R001 takuseno/ppo#3"),
    Fault("evaluated_max_for_min", "policy_and_batch", "surrogate = torch.min(", "surrogate = torch.max(", "PPO103",
          ("PPO102",), source="C03"),
    Fault("tokens_clip_only", "float32_upcast", "-torch.min(surr1, surr2)", "-surr2", "PPO103",
          source="R002 tensorforce/tensorforce#106"),
    Fault("objective_as_loss", "module_options", "-torch.minimum(ratio * advantages, clipped * advantages)",
          "torch.minimum(ratio * advantages, clipped * advantages)", "PPO104", ("PPO102", "PPO103"),
          source="R007 WangYuxiang8/RL-demo#1"),
    Fault("max_without_negation", "helper_chain", "-torch.min(ratio * advantages, clipped * advantages)",
          "torch.max(ratio * advantages, clipped * advantages)", "PPO104", ("PPO102", "PPO103"),
          source="R005 yandexdataschool/Practical_RL#248"),
    Fault("ratio_inverted", "categorical_logits", "torch.exp(log_probs - old_log_probs)",
          "torch.exp(old_log_probs - log_probs)", "PPO104", ("PPO102", "PPO103", "PPO105"), source="F01 gone wrong",
          note="log-probs are made inside: no convention excuses it"),
    Fault("probabilities_upside_down", "probability_ratio", "action_probs / old_action_probs",
          "old_action_probs / action_probs", "PPO104", ("PPO102", "PPO103", "PPO105"), source="F16 gone wrong"),
    Fault("ratio_dead", "on_policy_detach", "per_token_logps - per_token_logps.detach()",
          "per_token_logps - per_token_logps", "PPO104", ("PPO008",), source="R04"),
    Fault("advantages_one_token_late", "float32_upcast", "adv = advantages.float()",
          "adv = advantages.float().roll(1, dims=-1)", "PPO104", ("PPO501", "PPO507", "PPO206"),
          source="R188 InternLM/xtuner#2095"),
    Fault("epsilon_squared", "closure_factory", "ratio.clamp(1.0 - clip_eps, 1.0 + clip_eps)",
          "ratio.clamp(1.0 - clip_eps**2, 1.0 + clip_eps**2)", "PPO106", ("PPO103",), source="C09"),
    Fault("bounds_swapped", "dapo_clip_higher", "min=1.0 - eps_low, max=1.0 + eps_high",
          "min=1.0 - eps_high, max=1.0 + eps_low", "PPO106", ("PPO102", "PPO103"), source="C11"),
    Fault("epsilon_hard_coded", "keyword_only", "torch.clip(ratio, 1 - epsilon, 1 + epsilon)",
          "torch.clip(ratio, 0.8, 1.2)", "PPO106", ("PPO007",), source="C09"),
    Fault("lower_bound_is_epsilon", "dual_clip_tokens", "torch.clamp(ratio, 1 - clip_ratio_low,",
          "torch.clamp(ratio, clip_ratio_low,", "PPO106", ("PPO102",), source="R010 ChenmienTan/RL2#21"),
    Fault("log_ratio_held_at_half", "log_ratio_clamp", ".clamp(min=-20.0, max=20.0)", ".clamp(min=-0.5, max=0.5)",
          "PPO109", source="F04"),
    Fault("log_ratio_held_inside_clip", "dual_clip_tokens", "min=-20.0, max=20.0", "min=-0.1, max=0.1", "PPO109",
          ("PPO103", "PPO106", "PPO108"), source="F04: below ln(1 + eps)"),
    Fault("clip_before_exp", "spinup_g_form", "torch.exp(logp - logp_old)",
          "torch.exp(torch.clamp(logp - logp_old, -clip_ratio, clip_ratio))", "PPO109", ("PPO103", "PPO106", "PPO107"),
          source="C17", note="both branches see the clamped ratio: as a log-ratio clamp of 0.2 it has a dead zone"),
    Fault("mean_over_heads_in_ratio", "per_head_sum", "torch.exp(log_prob - old_log_prob)",
          "torch.exp((log_prob - old_log_prob) / head_log_probs.shape[-1])", "PPO111", ("PPO104", "PPO105"),
          source="R08"),
    Fault("clip_per_head", "per_head_sum", "ratio.clamp(lower, upper) * advantages",
          "(head_log_probs - old_head_log_probs).exp().clamp(lower, upper).prod(-1) * advantages", "PPO111",
          ("PPO102", "PPO107"), source="R016 pytorch/rl#2791"),
    Fault("log_prob_mean_over_dims", "gaussian_exact_kl_module",
          "new.log_prob(actions).sum(-1) - old.log_prob(actions).sum(-1)",
          "new.log_prob(actions).mean(-1) - old.log_prob(actions).mean(-1)", "PPO111", ("PPO104", "PPO105"),
          source="R08"),
    # 2xx advantages -------------------------------------------------------------------------------------------------
    Fault("one_statistic_for_all_groups", "group_whitening", "advantages = standardise_by_group(advantages, group_ids)",
          "advantages = (advantages - advantages.mean()) / (advantages.std(unbiased=False) + 1e-8)", "PPO201",
          ("PPO007",), source="R118 XU-YIJIE/grpo-flat#2"),
    Fault("global_mean_group_std", "group_whitening", "(values - values.mean())", "(values - x.mean())", "PPO201",
          source="R118 XU-YIJIE/grpo-flat#2"),
    Fault("sample_std_of_one", "neglogpac", "adv.std(unbiased=False)", "adv.std()", "PPO202",
          source="implementations H2: numpy to torch"),
    Fault("no_epsilon", "module_options", "(advantages.std() + 1e-8)", "advantages.std()", "PPO202",
          source="implementations H2", note="constant advantages"),
    Fault("rsqrt_of_zero", "masked_whitening", "torch.rsqrt(variance + 1e-8)", "torch.rsqrt(variance)", "PPO202",
          source="R113 alibaba/ROLL#475"),
    Fault("variance_for_std", "closure_factory", "gae.std(correction=0)", "gae.var(correction=0)", "PPO203",
          source="A06"),
    Fault("parenthesis_lost", "module_options", "(advantages - advantages.mean()) / (advantages.std() + 1e-8)",
          "advantages - advantages.mean() / (advantages.std() + 1e-8)", "PPO203",
          source="R116 Omegastick/pytorch-cpp-rl#14"),
    Fault("scale_only", "neglogpac", "(adv - adv.mean()) /", "adv /", "PPO203", source="A05"),
    Fault("token_variance_for_std", "masked_whitening", "torch.rsqrt(variance + 1e-8)",
          "torch.reciprocal(variance + 1e-8)", "PPO203", source="A06"),
    Fault("raw_advantage_in_second_branch", "sb3_rollout_data", "policy_loss_2 = advantages *",
          "policy_loss_2 = rollout_data.advantages *", "PPO204", ("PPO102", "PPO103"), source="pytorch/rl#1033"),
    Fault("raw_advantage_in_clipped_loss", "neglogpac", "pg_losses2 = -advs *", "pg_losses2 = -adv *", "PPO204",
          ("PPO102", "PPO103"), source="pytorch/rl#1033"),
    Fault("scaled_against_raw", "target_made_inside", "torch.min(ratios * scaled, clipped * scaled)",
          "torch.min(ratios * scaled, clipped * advantages)", "PPO204", ("PPO102", "PPO103"), source="A08"),
    Fault("returns_for_advantages", "objective_negated", "torch.min(r * A, torch.clamp(r, 1 - eps, 1 + eps) * A)",
          "torch.min(r * V_targ, torch.clamp(r, 1 - eps, 1 + eps) * V_targ)", "PPO206", ("PPO104", "PPO510"),
          source="A02"),
    Fault("advantage_offset", "value_own_radius", "torch.min(advantages * ratio, advantages * clipped_ratio)",
          "torch.min((advantages + 0.1) * ratio, (advantages + 0.1) * clipped_ratio)", "PPO206", ("PPO104",),
          source="A02"),
    Fault("weights_nearly_flat", "awr_plus_ppo", "torch.exp(advantages).clamp(max=20.0)",
          "torch.exp(advantages / 5.0).clamp(max=100.0)", "PPO207", source="analysis #6"),
    Fault("weights_saturated", "awr_plus_ppo", "torch.exp(advantages).clamp(max=20.0)",
          "torch.exp(advantages / 0.05).clamp(max=20.0)", "PPO207", ("PPO208",), source="1.15: beta 0.05"),
    Fault("cloning_dominates", "awr_plus_ppo", "policy_loss + 0.05 * bc_loss", "policy_loss + 2.0 * bc_loss", "PPO208",
          source="analysis #6"),
    # 3xx value ------------------------------------------------------------------------------------------------------
    Fault("stale_value", "value_own_radius", "errors = (values - returns) ** 2", "errors = (old_values - returns) ** 2",
          "PPO301", ("PPO302",), source="V02, V09"),
    Fault("value_loss_subtracted", "module_options", "policy_loss + self.value_loss_coef",
          "policy_loss - self.value_loss_coef", "PPO301", ("PPO510",), source="V02"),
    Fault("advantage_as_target", "kl_penalty_adaptive", "(values - returns) ** 2", "(values - advantages) ** 2",
          "PPO301", source="G14"),
    Fault("critic_detached", "objective_negated", "L_vf = (V - V_targ) ** 2", "L_vf = (V.detach() - V_targ) ** 2",
          "PPO301", source="F13 gone wrong"),
    Fault("normalised_target", "a2c", "value_loss = (returns - values)",
          "value_loss = ((returns - returns.mean()) / (returns.std() + 1e-8) - values)", "PPO301",
          ("PPO202", "PPO507", "PPO509"), source="R055 luchris429/model-free-opponent-shaping#1"),
    Fault("target_of_scaled_advantage", "target_made_inside", "(values - targets)", "(values - old_values - scaled)",
          "PPO301", ("PPO507",), source="R056 opendilab/DI-engine 4723a633d"),
    Fault("value_min_for_max", "cleanrl_minibatch", "torch.max(v_loss_unclipped, v_loss_clipped)",
          "torch.min(v_loss_unclipped, v_loss_clipped)", "PPO302", source="V05"),
    Fault("value_clip_only", "helper_chain", "torch.max(error, error_clipped).mean()", "error_clipped.mean()", "PPO302",
          source="Stable-Baselines3, V05"),
    Fault("max_before_square", "dual_clip_tianshou", "torch.max(vf1, vf2).mean()",
          "torch.max(returns - value, returns - v_clip).pow(2).mean()", "PPO302",
          source="R037 implementation-matters/code-for-paper#1"),
    Fault("target_clipped_too", "attribute_batch", "vf_losses2 = (vpredclipped - batch.returns) ** 2",
          "vf_losses2 = (vpredclipped - batch.returns.minimum(high).maximum(low)) ** 2", "PPO302", source="V07"),
    Fault("quantile_value_sign", "quantile_critic", "policy_loss + vf_coef * value_loss, metrics",
          "policy_loss - vf_coef * value_loss, metrics", "PPO301", source="B1"),
    Fault("quantiles_shift_with_mean", "quantile_critic", "quantile_huber(quantiles, returns).mean()",
          "torch.max(quantile_huber(quantiles, returns), quantile_huber(near, returns)).mean()", "PPO307", ("PPO306",),
          source="analysis #4", at="near = quantiles - drift",
          note="all quantiles move with their mean where they are clipped; the edit only makes use of that"),
    # 4xx entropy and KL ---------------------------------------------------------------------------------------------
    Fault("entropy_added", "cleanrl_minibatch", "pg_loss - ent_coef * entropy_loss",
          "pg_loss + ent_coef * entropy_loss", "PPO401", source="R067 datawhalechina/easy-rl#171"),
    Fault("entropy_loss_lost_minus", "sb3_rollout_data", "entropy_loss = -torch.mean(entropy)",
          "entropy_loss = torch.mean(entropy)", "PPO401", source="R068 google-deepmind/open_spiel#962"),
    Fault("minus_of_minus_h", "categorical_logits", "+ entropy_weight * loss_entropy",
          "- entropy_weight * loss_entropy", "PPO401", source="R064 LuEE-C/PPO-Keras#4"),
    Fault("entropy_in_objective_subtracted", "objective_negated", "+ c2 * H)", "- c2 * H)", "PPO401",
          source="R065 nebuly-ai/optimate#250"),
    Fault("token_entropy_added", "attribute_batch", "- entropy_coeff * entropy_loss", "+ entropy_coeff * entropy_loss",
          "PPO401", source="R064 LuEE-C/PPO-Keras#4"),
    Fault("entropy_without_gradient", "policy_and_batch", "entropy_coef * entropy)", "entropy_coef * entropy.detach())",
          "PPO401", ("PPO006", "PPO404"), source="R083 family",
          note="the bonus is in the value and not in the gradient"),
    Fault("entropy_mean_over_dims", "normal_distribution", "probs.entropy().sum(1)", "probs.entropy().mean(1)",
          "PPO402", source="R076 Unity-Technologies/ml-agents#4538"),
    Fault("entropy_never_summed", "gaussian_exact_kl_module", "new.entropy().sum(-1).mean()", "new.entropy().mean()",
          "PPO402", source="R080 marlbenchmark/on-policy#39"),
    Fault("entropy_mean_over_heads", "per_head_sum", "head_entropies.sum(dim=-1)", "head_entropies.mean(dim=-1)",
          "PPO402", source="R077 tensorforce/tensorforce#177"),
    Fault("k1_with_gaussians_at_hand", "kl_penalty_gaussian",
          "kl = gaussian_kl(old_means, old_log_stds, means, log_stds)", "kl = old_log_prob - log_prob", "PPO411",
          source="analysis #2"),
    Fault("k3_sign_slip", "kl_penalty_adaptive", "(ratio - 1) - log_ratio", "(ratio - 1) + log_ratio", "PPO411",
          ("PPO104", "PPO206", "PPO412"), source="K02"),
    Fault("gaussian_kl_without_half", "kl_penalty_gaussian", " / (2 * var_q) - 0.5", " / (2 * var_q)", "PPO411",
          ("PPO412",), source="K01", note="not 0 at equality; the gradient is right"),
    Fault("std_in_place_of_variance", "kl_penalty_gaussian", "(2 * log_std_p).exp(), (2 * log_std_q).exp()",
          "log_std_p.exp(), log_std_q.exp()", "PPO411", ("PPO412",), source="K03", note="negative around s_p = 2 s_q"),
    Fault("k3_reversed", "grpo_sequence_mean", "delta = ref_per_token_logps - per_token_logps",
          "delta = per_token_logps - ref_per_token_logps", "PPO412", source="R094 walkinglabs/hands-on-modern-rl#27"),
    Fault("k3_of_old_reversed", "kl_penalty_adaptive", "(ratio - 1) - log_ratio", "(1 / ratio - 1) + log_ratio",
          "PPO412", source="R094 walkinglabs/hands-on-modern-rl#27"),
    Fault("k2_without_half", "log_ratio_clamp", "0.5 * (cur_logp - old_logp).square()",
          "(cur_logp - old_logp).square()", "PPO412", source="K04"),
    Fault("kl_mean_over_dims", "kl_penalty_gaussian", "return per_dim.sum(-1)", "return per_dim.mean(-1)", "PPO412",
          source="K03"),
    # 5xx masks, reduction, shape ------------------------------------------------------------------------------------
    Fault("padding_in_sequence_sum", "grpo_sequence_mean", "(per_token_loss * completion_mask).sum(-1)",
          "per_token_loss.sum(-1)", "PPO501", ("PPO502",), source="R211 ray-project/ray#15523"),
    Fault("entropy_over_padding", "attribute_batch", "masked_mean(batch.entropy, mask)", "batch.entropy.mean()",
          "PPO501", ("PPO502",), source="R085 Unity-Technologies/ml-agents#4572"),
    Fault("padding_weighs_in", "truncated_is", "(token_loss * loss_mask).sum()", "token_loss.sum()", "PPO501",
          ("PPO502",), source="R088 NovaSky-AI/SkyRL#490"),
    Fault("kl_over_padding", "on_policy_detach", "+ beta * per_token_kl", "+ beta * per_token_kl.mean()", "PPO501",
          ("PPO502", "PPO507"), source="R097 allenai/open-instruct#535"),
    Fault("critic_over_padding", "masked_whitening", "masked_mean(vf_losses, mask)", "vf_losses.mean()", "PPO501",
          ("PPO502",), source="M17"),
    Fault("sequence_guard_lost", "grpo_sequence_mean", "completion_mask.sum(-1).clamp(min=1.0)",
          "completion_mask.sum(-1)", "PPO503", source="R217 volcengine/verl#782"),
    Fault("token_guard_lost", "dual_clip_tokens", "/ response_mask.sum().clamp(min=1)", "/ response_mask.sum()",
          "PPO503", source="R217 volcengine/verl#782"),
    Fault("empty_mean", "dapo_clip_higher", "token_loss.sum() / max(token_loss.numel(), 1)", "token_loss.mean()",
          "PPO503", source="R217 volcengine/verl#782"),
    Fault("advantages_reversed", "one_sided_clamp", "-(limited * advantages).mean()",
          "-(limited * advantages.flip(0)).mean()", "PPO504", ("PPO104", "PPO204", "PPO507"),
          source="R244 cares_reinforcement_learning#46"),
    Fault("last_sample_dropped", "keyword_only", "-torch.minimum(gain, gain_clipped).mean()",
          "-torch.minimum(gain, gain_clipped)[:-1].mean()", "PPO504", ("PPO104", "PPO509"),
          source="R158 PufferAI/PufferLib#445"),
    Fault("weights_by_position", "awr_actor_critic", "-(log_pi * weights).mean()",
          "-(log_pi * weights * 0.99 ** torch.arange(len(log_pi))).mean()", "PPO504", source="M01"),
    Fault("mean_advantage_in_surrogate", "columns", "surr1 = ratio * adv_targ", "surr1 = ratio * adv_targ.mean()",
          "PPO507", ("PPO104", "PPO204", "PPO206"), source="R017 Omegastick/pytorch-cpp-rl#14"),
    Fault("mean_ratio_times_advantage", "dataclass_config", "torch.min(ratio * batch.advantages,",
          "torch.min(ratio.mean() * batch.advantages,", "PPO507", ("PPO102", "PPO104"), source="M08"),
    Fault("mean_against_mean_value", "kl_penalty_adaptive", "torch.mean((values - returns) ** 2)",
          "(torch.mean(values) - torch.mean(returns)) ** 2", "PPO507", ("PPO301",), source="M08"),
    Fault("values_as_column", "cleanrl_minibatch", "newvalue = newvalue.view(-1)", "newvalue = newvalue.view(-1, 1)",
          "PPO508", ("PPO301", "PPO302", "PPO507"), source="R046 PacktPublishing/Deep-RL-Hands-On#9"),
    Fault("gather_not_squeezed", "categorical_logits", ".gather(1, actions.long().unsqueeze(1)).squeeze(1)",
          ".gather(1, actions.long().unsqueeze(1))", "PPO508", ("PPO104", "PPO507"), source="R047 thu-ml/tianshou#155"),
    Fault("returns_as_column", "sb3_rollout_data", "F.mse_loss(rollout_data.returns, values.flatten())",
          "F.mse_loss(rollout_data.returns.view(-1, 1), values.flatten())", "PPO508", ("PPO301", "PPO507"),
          source="R046 PacktPublishing/Deep-RL-Hands-On#9"),
    # 7xx precision --------------------------------------------------------------------------------------------------
    Fault("ratio_in_bfloat16", "gspo_sequence", "torch.clamp(mean_log_ratio, max=10.0)",
          "torch.clamp(mean_log_ratio.bfloat16(), max=10.0)", "PPO701", source="section 1.14: an ulp exceeds epsilon"),
    Fault("upcast_lost", "float32_upcast", "log_probs.float() - old_log_probs.float()", "log_probs - old_log_probs",
          "PPO701", source="R185 OpenRLHF/OpenRLHF#634", note="shows only with half-precision inputs"),
)


FAULTS_LATER = (
    # 0xx target -----------------------------------------------------------------------------------------------------
    Fault("seeds_in_the_loss", "keyword_only", "actor = -torch.minimum(",
          "torch.manual_seed(0)\n    actor = -torch.minimum(", "PPO004", source="D06"),
    Fault("gradients_left_off", "spinup_g_form",
          "    with torch.no_grad():\n"
          "        approx_kl = (logp_old - logp).mean()\n"
          "        outside = ratio.gt(1 + clip_ratio) | ratio.lt(1 - clip_ratio)\n"
          "        info =",
          "    torch.set_grad_enabled(False)\n"
          "    approx_kl = (logp_old - logp).mean()\n"
          "    outside = ratio.gt(1 + clip_ratio) | ratio.lt(1 - clip_ratio)\n"
          "    info =", "PPO004", source="D06", note="gradient mode stays off for the caller"),
    Fault("default_dtype_changed", "dict_config", "cfg = {**DEFAULTS, **(cfg or {})}",
          "torch.set_default_dtype(torch.float64)\n"
          "    cfg = {**DEFAULTS, **(cfg or {})}", "PPO004", source="D06"),
    Fault("backward_forgets_ratio", "custom_function", "grad = grad_output * ratio", "grad = grad_output", "PPO006",
          ("PPO105",), source="D04", note="right at ratio 1 only"),
    Fault("value_clip_ignored", "value_own_radius", "errors = torch.max(errors, (values_clipped - returns) ** 2)",
          "clipped_errors = torch.max(errors, (values_clipped - returns) ** 2)  # noqa: F841", "PPO007",
          source="R109 family"),
    Fault("switch_ignored", "module_options", "if self.normalize_advantage and advantages.numel() > 1:",
          "if advantages.numel() > 1:", "PPO007", source="R109 huggingface/trl#18"),
    Fault("delta_not_forwarded", "batch_dict", ", delta=huber_delta)", ")", "PPO007", source="R014 THUDM/slime#2247"),
    Fault("weight_from_new_policy", "truncated_is", "torch.exp(old_log_probs - rollout_log_probs)",
          "torch.exp(log_probs - rollout_log_probs)", "PPO008", ("PPO102", "PPO104"), source="R022 THUDM/slime#179"),
    Fault("target_from_moving_critic", "target_made_inside", "targets = advantages + old_values",
          "targets = advantages + values", "PPO008", ("PPO301",), source="R052 Lizhi-sjtu/DRL-code-pytorch#10",
          note="V10: the critic's gradient cancels"),
    # 1xx ratio and clip ---------------------------------------------------------------------------------------------
    Fault("one_plus_log_ratio", "value_own_radius", "ratio = torch.exp(log_prob - old_log_prob)",
          "ratio = 1 + (log_prob - old_log_prob)", "PPO105", ("PPO102", "PPO103"), source="R07"),
    Fault("base_two", "neglogpac", "torch.exp(oldneglogpac - neglogpac)", "torch.exp2(oldneglogpac - neglogpac)",
          "PPO105", ("PPO104",), source="R03"),
    Fault("log_probs_divided", "dict_config", "torch.exp(logprobs - old_logprobs)", "logprobs / old_logprobs", "PPO105",
          ("PPO102", "PPO103", "PPO104"), source="F16 gone wrong"),
    Fault("exp_forgotten", "dataclass_config", "ratio = (batch.log_probs - batch.old_log_probs).exp()",
          "ratio = batch.log_probs - batch.old_log_probs", "PPO105", ("PPO102", "PPO103", "PPO104"), source="R06"),
    Fault("clamp_of_the_product", "plain_min", "torch.clamp(ratio, 1.0 - clip, 1.0 + clip) * adv",
          "torch.clamp(ratio * adv, 1.0 - clip, 1.0 + clip)", "PPO107", ("PPO102", "PPO103", "PPO104"),
          source="R004 alexis-jacq/Pytorch-DPPO#3"),
    Fault("clip_around_zero", "helper_chain", "torch.clamp(ratio, 1 - ratio_clip, 1 + ratio_clip)",
          "torch.clamp(ratio, -ratio_clip, ratio_clip)", "PPO107", ("PPO102", "PPO103", "PPO104"), source="C13"),
    Fault("dual_clip_for_gains_too", "dual_clip_tokens", "torch.where(advantages < 0, bounded, pessimistic)", "bounded",
          "PPO108", ("PPO104",), source="R011 thu-ml/tianshou#433", at="bounded = torch.min(",
          note="the choice by sign is gone; what is left of it is the bound"),
    Fault("dual_clip_below_one", "dual_clip_tianshou", "torch.max(clip1, dual_clip * adv)",
          "torch.max(clip1, adv / dual_clip)", "PPO108", ("PPO104",), source="R013 opendilab/PPOxFamily#95"),
    Fault("max_of_means", "neglogpac", "torch.mean(torch.maximum(pg_losses, pg_losses2))",
          "torch.maximum(torch.mean(pg_losses), torch.mean(pg_losses2))", "PPO110", ("PPO102", "PPO103", "PPO507"),
          source="C18"),
    Fault("one_decision_for_all", "sum_reduction", "torch.where(rho * gae < rho_clipped * gae,",
          "torch.where((rho * gae).sum() < (rho_clipped * gae).sum(),", "PPO110", ("PPO102", "PPO103", "PPO507"),
          source="C18"),
    Fault("fraction_of_log_ratio", "batch_dict", "((ratio - 1).abs() > clip_range)", "(log_ratio.abs() > clip_range)",
          "PPO112", source="C14"),
    Fault("fraction_summed", "spinup_g_form", "outside.float().mean()", "outside.float().sum()", "PPO112",
          source="C14"),
    Fault("fraction_over_padding", "token_mean", "masked_mean((pg_losses2 > pg_losses1).float(), response_mask)",
          "(pg_losses2 > pg_losses1).float().sum() / (response_mask.sum() + 1e-8)", "PPO112",
          source="R034 RLinf/RLinf#1471"),
    Fault("sum_for_mean_log_ratio", "gspo_sequence", "(log_ratio * response_mask).sum(dim=-1) / lengths",
          "(log_ratio * response_mask).sum(dim=-1)", "PPO113", ("PPO102", "PPO104", "PPO105"), source="C20"),
    Fault("sequence_ratio_in_grpo", "grpo_sequence_mean", "torch.exp(per_token_logps - old_per_token_logps)",
          "torch.exp((per_token_logps - old_per_token_logps).sum(-1, keepdim=True))", "PPO113",
          ("PPO104", "PPO110", "PPO501", "PPO507"), source="R020 walkinglabs/hands-on-modern-rl#75"),
    Fault("cispo_weight_attached", "cispo_weights", ".clamp(max=epsilon_high).detach()", ".clamp(max=epsilon_high)",
          "PPO113", ("PPO008", "PPO104"), source="R023 volcengine/verl#4105"),
    Fault("cispo_without_log_prob", "cispo_weights",
          ".clamp(max=epsilon_high).detach()\n"
          "    token_loss = -weight * advantages * logprobs",
          ".clamp(max=epsilon_high)\n    token_loss = -weight * advantages", "PPO113", ("PPO102", "PPO103"),
          source="R019 allenai/open-instruct#1269"),
    # 2xx advantages -------------------------------------------------------------------------------------------------
    Fault("whitening_mean_over_padding", "masked_whitening", "mean = masked_mean(x, mask)", "mean = x.mean()", "PPO205",
          ("PPO203", "PPO501"), source="A07"),
    Fault("whitening_variance_over_padding", "masked_whitening", "variance = masked_mean((x - mean) ** 2, mask)",
          "variance = ((x - mean) ** 2).mean()", "PPO205", ("PPO203", "PPO501"), source="A07"),
    # 3xx value ------------------------------------------------------------------------------------------------------
    Fault("value_clip_around_zero", "cleanrl_minibatch",
          "v_clipped = b_values + torch.clamp(newvalue - b_values, -clip_coef, clip_coef)",
          "v_clipped = torch.clamp(newvalue, -clip_coef, clip_coef)", "PPO303", source="V03"),
    Fault("value_clip_multiplicative", "helper_chain",
          "clipped = old_values + torch.clamp(values - old_values, -value_clip, value_clip)",
          "clipped = torch.clamp(values, old_values * (1 - value_clip), old_values * (1 + value_clip))", "PPO303",
          source="V04"),
    Fault("value_clip_around_target", "columns",
          "value_preds_batch + (values - value_preds_batch).clamp(-clip_param, clip_param)",
          "return_batch + (values - return_batch).clamp(-clip_param, clip_param)", "PPO303", source="V08"),
    Fault("value_clip_upwards_only", "masked_whitening",
          "torch.clamp(vpred, values - cliprange_value, values + cliprange_value)",
          "torch.clamp(vpred, max=values + cliprange_value)", "PPO303", source="V04"),
    Fault("squared_error_clamped", "one_sided_clamp", "(values - returns).square().mean()",
          "(values - returns).square().clamp(max=1.0).mean()", "PPO304", ("PPO301",),
          source="D1 ray-project/ray#19291"),
    Fault("error_clamped", "a2c", "value_loss = (returns - values).pow(2)",
          "value_loss = (returns - values).clamp(-1, 1).pow(2)", "PPO304", ("PPO301",),
          source="D1 ray-project/ray#22171"),
    Fault("value_coefficient_lost", "cleanrl_minibatch", "+ v_loss * vf_coef", "+ v_loss", "PPO305",
          ("PPO007", "PPO510"), source="R043 ikostrikov/pytorch-a2c-ppo-acktr-gail#67"),
    Fault("value_coefficient_twice", "keyword_only", "+ c1 * critic", "+ c1 * (c1 * critic)", "PPO305", ("PPO510",),
          source="V15"),
    Fault("coefficients_swapped", "objective_negated", "- c1 * L_vf + c2 * H", "- c2 * L_vf + c1 * H", "PPO305",
          ("PPO404", "PPO510"), source="V15"),
    Fault("policy_radius_for_values", "dataclass_config", "delta.clamp(-config.vf_clip_param, config.vf_clip_param)",
          "delta.clamp(-config.clip_param, config.clip_param)", "PPO306", ("PPO007",), source="implementations H4"),
    # 4xx entropy and KL ---------------------------------------------------------------------------------------------
    Fault("entropy_of_chosen_action", "categorical_logits", "(log_all.exp() * log_all).sum(-1).mean()",
          "(log_probs.exp() * log_probs).mean()", "PPO403", source="R074 noahfarr/rlx#3"),
    Fault("entropy_mean_over_actions", "categorical_logits", "(log_all.exp() * log_all).sum(-1).mean()",
          "(log_all.exp() * log_all).mean()", "PPO403", ("PPO402",), source="E02"),
    Fault("entropy_from_taken_action", "normal_distribution", "entropy = probs.entropy().sum(1)", "entropy = -logprob",
          "PPO403", source="implementations H5"),
    Fault("entropy_of_std", "gaussian_by_hand", "return (log_stds + 0.5", "return (log_stds.exp() + 0.5", "PPO403",
          source="E05"),
    Fault("entropy_coefficient_lost", "sb3_rollout_data", "+ ent_coef * entropy_loss", "+ entropy_loss", "PPO404",
          ("PPO007", "PPO510"), source="D02"),
    Fault("entropy_coefficient_squared", "closure_factory", "- ent_coef * entropy.mean()",
          "- ent_coef**2 * entropy.mean()", "PPO404", ("PPO510",), source="E08"),
    Fault("entropy_never_added", "neglogpac", "pg_loss - torch.mean(entropy) * ent_coef + vf_loss", "pg_loss + vf_loss",
          "PPO404", ("PPO007", "PPO401", "PPO510"), source="R082 Toni-SM/skrl#357"),
    Fault("reference_kl_subtracted", "grpo_sequence_mean", "+ beta * per_token_kl", "- beta * per_token_kl", "PPO413",
          source="R089 volcengine/verl a65c9157b"),
    Fault("exact_kl_subtracted", "kl_penalty_gaussian", "+ kl_beta * kl", "- kl_beta * kl", "PPO413", source="K09"),
    Fault("k1_as_reference_loss", "grpo_sequence_mean", "torch.exp(delta) - delta - 1", "-delta", "PPO414", ("PPO411",),
          source="R098 allenai/open-instruct#534"),
    Fault("kl_of_the_old_policy", "grpo_sequence_mean", "delta = ref_per_token_logps - per_token_logps",
          "delta = ref_per_token_logps - old_per_token_logps", "PPO414"),
    Fault("kl_detached", "kl_penalty_gaussian", "kl_beta * kl)", "kl_beta * kl.detach())", "PPO414", source="K06"),
    Fault("penalty_without_gradient", "on_policy_detach", "ref_per_token_logps - per_token_logps\n",
          "ref_per_token_logps - per_token_logps.detach()\n", "PPO414", source="K06"),
    Fault("k3_cancels", "on_policy_detach", "torch.expm1(log_ratio) - log_ratio",
          "torch.exp(log_ratio) - 1 - log_ratio", "PPO415", source="R224 unslothai/unsloth-zoo#1240"),
    # 5xx masks, reduction, shape ------------------------------------------------------------------------------------
    Fault("mean_counts_padding", "attribute_batch", "(x * mask).sum() / mask.sum().clamp(min=1)", "(x * mask).mean()",
          "PPO502", source="R209 stable-baselines3-contrib#78"),
    Fault("length_counts_padding", "gspo_sequence", "lengths = response_mask.sum(dim=-1).clamp(min=1)",
          "lengths = response_mask.shape[-1]", "PPO502", ("PPO113",), source="C20"),
    Fault("tokens_count_padding", "float32_upcast", "/ keep.sum().clamp(min=1)", "/ keep.numel()", "PPO502",
          source="R209 stable-baselines3-contrib#78"),
    Fault("value_mean_policy_sum", "sum_reduction", 'F.mse_loss(v, ret, reduction="sum")', "F.mse_loss(v, ret)",
          "PPO505", source="M17"),
    Fault("value_summed", "columns", "torch.max(value_losses, value_losses_clipped).mean()",
          "torch.max(value_losses, value_losses_clipped).sum()", "PPO505", source="R040 vwxyzjn/cleanrl#22"),
    Fault("min_for_max_in_guard", "dapo_clip_higher", "max(token_loss.numel(), 1)", "min(token_loss.numel(), 1)",
          "PPO505", source="R194 PrimeIntellect-ai/prime-rl#816"),
    Fault("denominator_follows_advantages", "dr_grpo_constant", "batch_size = new_logprobs.shape[0]",
          "batch_size = max(int((advantages > 0).sum()), 1)", "PPO506", ("PPO505", "PPO507"), source="M06"),
    Fault("root_of_mean_square", "batch_dict", 'F.huber_loss(batch["values"], batch["returns"], delta=huber_delta)',
          'F.huber_loss(batch["values"], batch["returns"], delta=huber_delta).sqrt()', "PPO506", ("PPO301", "PPO507"),
          source="M06"),
    Fault("squeeze_eats_batch_of_one", "grpo_sequence_mean", "coef_1 * advantages.unsqueeze(1)",
          "coef_1 * advantages.squeeze().unsqueeze(1)", "PPO509", ("PPO001",), source="R172 MushroomRL 71488a6b"),
    Fault("logits_squeezed", "categorical_logits", "torch.log_softmax(logits, dim=-1)",
          "torch.log_softmax(logits.squeeze(), dim=-1)", "PPO509", ("PPO001",), source="R155 rlworkgroup/garage#1209"),
    Fault("value_term_forgotten", "batch_dict", "policy_loss + value_coef * value_loss - entropy_coef",
          "policy_loss - entropy_coef", "PPO510", ("PPO007", "PPO301", "PPO305"), source="D01"),
    Fault("entropy_inside_parenthesis", "attribute_batch", "vf_coef * vf_loss - entropy_coeff * entropy_loss",
          "vf_coef * (vf_loss - entropy_coeff * entropy_loss)", "PPO510", ("PPO404",), source="D02"),
    Fault("tilde_on_a_number", "dr_grpo_constant", "masked_fill(loss_mask == 0, 0.0)", "masked_fill(~loss_mask, 0.0)",
          "PPO511", ("PPO001",), source="M10"),
    Fault("one_minus_bool", "dr_grpo_constant", "masked_fill(loss_mask == 0, 0.0)",
          "masked_fill((1 - loss_mask).bool(), 0.0)", "PPO511", ("PPO001",), source="M10"),
    # 7xx precision --------------------------------------------------------------------------------------------------
    Fault("variance_by_difference", "closure_factory", "gae.std(correction=0)",
          "((gae**2).mean() - gae.mean() ** 2).sqrt()", "PPO702", ("PPO202", "PPO704"), source="F01"),
    Fault("square_expanded", "one_sided_clamp", "(values - returns).square().mean()",
          "(values.square() - 2 * values * returns + returns.square()).mean()", "PPO702", ("PPO704",), source="F01"),
    Fault("log_of_softmax_plus_epsilon", "categorical_logits", "torch.log_softmax(logits, dim=-1)",
          "torch.log(torch.softmax(logits, dim=-1) + 1e-8)", "PPO703", source="F10"),
    Fault("softmax_without_shift", "categorical_logits", "torch.log_softmax(logits, dim=-1)",
          "logits - torch.log(torch.exp(logits).sum(-1, keepdim=True))", "PPO704", ("PPO702",), source="F07, R230"),
    # 8xx groups -----------------------------------------------------------------------------------------------------
    Fault("group_mean_kept", "grpo_rewards_by_size", "(rewards - mean_grouped) /", "rewards /", "PPO801", ("PPO803",),
          source="Q01"),
    Fault("batch_mean_for_group_mean", "grpo_rewards_by_id", "rewards[chosen] - rewards[chosen].mean()",
          "rewards[chosen] - rewards.mean()", "PPO802", ("PPO801", "PPO803"), source="R118 XU-YIJIE/grpo-flat#2"),
    Fault("repeat_for_repeat_interleave", "grpo_rewards_by_size",
          "grouped.mean(dim=1).repeat_interleave(num_generations)", "grouped.mean(dim=1).repeat(num_generations)",
          "PPO802", ("PPO801", "PPO803", "PPO804"), source="Q12"),
    Fault("group_std_unguarded", "grpo_rewards_by_size", "(std_grouped + 1e-4)", "std_grouped", "PPO803", source="Q04"),
    Fault("sibling_before_me", "rloo_rewards", "(grouped.sum(dim=1, keepdim=True) - grouped) / (rloo_k - 1)",
          "grouped.roll(1, dims=1)", "PPO804", source="Q06"),
    Fault("group_variance_for_std", "grpo_rewards_by_id", "rewards[chosen].std(unbiased=False)",
          "rewards[chosen].var(unbiased=False)", "PPO805", source="Q07"),
    Fault("sample_std_of_a_group_of_one", "grpo_rewards_by_id", "rewards[chosen].std(unbiased=False)",
          "rewards[chosen].std()", "PPO806", source="Q14"),
    Fault("rloo_divides_by_all", "rloo_rewards", "- grouped) / (rloo_k - 1)", "- grouped) / rloo_k", "PPO801",
          source="Q10", note="the baseline is too small: a constant reward leaves an advantage"),
    Fault("token_sum_mode_is_a_mean", "aggregation_modes", "return token_sums.mean()",
          "return (token_sums / lengths.clamp(min=1)).mean()", "PPO807", ("PPO007",),
          source="R196 volcengine/verl#931"),
    # what the generated faults have shown ----------------------------------------------------------------------------
    Fault("old_log_prob_for_new", "keyword_only", "logp_new - logp_old", "logp_old - logp_old", "PPO104", ("PPO007",)),
    Fault("log_probs_added", "cispo_weights", "logprobs - old_logprobs", "logprobs + old_logprobs", "PPO105"),
    Fault("clip_lost_in_a_closure", "closure_factory", "ratio.clamp(1.0 - clip_eps, 1.0 + clip_eps) * gae",
          "ratio * gae", "PPO102"),
    Fault("radius_hard_coded_in_a_module", "gaussian_exact_kl_module", "1 + self.clip_param)", "1 + 0.2)", "PPO106"),
    Fault("old_log_prob_mean_over_dims", "gaussian_exact_kl_module", "old.log_prob(actions).sum(-1)",
          "old.log_prob(actions).mean(-1)", "PPO111"),
    Fault("value_branch_detached", "columns", "(value_pred_clipped - return_batch).pow(2)",
          "(value_pred_clipped - return_batch).detach().pow(2)", "PPO302"),
    Fault("coefficient_of_a_namespace_lost", "args_namespace", "args.ent_coef * entropy.mean()", "entropy.mean()",
          "PPO404", ("PPO007",)),
    Fault("response_mask_inverted", "dr_grpo_constant", "loss_mask == 0", "loss_mask != 0", "PPO501"),
    Fault("kl_coefficient_lost", "grpo_sequence_mean", "beta * per_token_kl", "per_token_kl", "PPO510", ("PPO007",)),
    Fault("reward_taken_from_the_mean", "grpo_rewards_by_size", "(rewards - mean_grouped)", "(mean_grouped - rewards)",
          "PPO801"),
)
# fmt: on
