"""The corpus of helpers: functions that are judged alone, and faults as one edit each of a correct one.

`kind` is what the tool must take a helper for. `attribute` is the function of the file that is audited. Faults are
written as in `catalogue.py`: `old` occurs exactly once in its base and is replaced by `new`.
"""

from functools import partial

from .catalogue import HERE, Correct
from .catalogue import Fault as AnyFault

FOLDER = HERE / "helpers"
Fault = partial(AnyFault, folder="helpers")


def Helper(name: str, attribute: str, kind: str, note: str = "") -> Correct:
    """A correct helper: the function of a file, and what the tool must take it for."""
    return Correct(name, attribute, kind, note=note, kind=kind, folder="helpers")


HELPERS = (
    Helper("gae_cleanrl", "gae", "returns", note="flags of starts, `next_done` behind the last step"),
    Helper("gae_buffer", "compute_returns_and_advantage", "returns", note="fills a buffer of arrays"),
    Helper("gae_masks", "compute_returns", "returns", note="T + 1 values and masks of 1 - done"),
    Helper("gae_lists", "compute_gae", "returns", note="F35: built from the end and restored"),
    Helper("gae_numpy", "estimate_advantages", "returns"),
    Helper("gae_matrix", "advantages", "returns", note="no recursion"),
    Helper("gae_truncation", "gae", "returns", note="a dict with a value target"),
    Helper("gae_folded", "gae", "returns", note="F17: bootstrap through the reward"),
    Helper("gae_normalised", "compute_gae", "returns", note="normalises on the way out"),
    Helper("gae_batch_first", "gae", "returns", note="time along the second axis"),
    Helper("gae_tokens", "get_advantages_and_returns", "returns", note="a mask over tokens is no flag"),
    Helper("rewards_to_go", "rewards_to_go", "returns", note="no values, no lambda"),
    Helper("td_lambda_returns", "td_lambda_returns", "returns", note="F26: a lambda-return is a target"),
    Helper("bootstrapped_returns", "compute_returns", "returns", note="masks of 1 - done of the same step"),
    Helper("spinup_targets", "finish_path", "returns", note="rewards to go beside GAE"),
    Helper("one_step_advantage", "td_advantage", "returns", note="lambda = 0 built in"),
    Helper("group_view", "compute_advantages", "advantages"),
    Helper("group_rows", "group_advantages", "advantages", note="(prompts, answers)"),
    Helper("group_ids", "advantages_by_prompt", "advantages"),
    Helper("rloo", "rloo_advantages", "advantages"),
    Helper("dr_grpo", "dr_grpo_advantages", "advantages", note="Q03: no division"),
    Helper("group_batch_std", "group_advantages", "advantages", note="Q05, not if"),
    Helper("normalise_guarded", "normalize_advantages", "advantages", note="a guard in Python"),
    Helper("masked_whiten", "masked_whiten", "advantages"),
    Helper("kl_estimators", "compute_approx_kl", "kl"),
    Helper("kl_gaussians", "gaussian_kl", "kl"),
    Helper("kl_categorical", "categorical_kl", "kl"),
    Helper("entropy_gaussian", "entropy", "entropy"),
    Helper("entropy_categorical", "entropy_from_logits", "entropy"),
    Helper("standardise_numpy", "standardize", "advantages"),
)

# fmt: off

FAULTS = (
    # 601 the TD error -----------------------------------------------------------------------------------------------
    Fault("value_not_subtracted", "gae_truncation", "next_value - value", "next_value", "PPO601", "G01"),
    Fault("gamma_forgotten_in_delta", "gae_lists", "rewards[step] + gamma * values[step + 1]",
          "rewards[step] + values[step + 1]", "PPO601", "G01"),
    Fault("reward_one_step_late", "gae_cleanrl", "delta = rewards[t] +", "delta = rewards[t - 1] +", "PPO601",
          "R133 openai/spinningup#50"),
    Fault("last_bootstrap_forgotten", "gae_cleanrl", "            nextvalues = next_value\n",
          "            nextvalues = 0.0\n", "PPO601", "R134 vwxyzjn/cleanrl#16"),
    Fault("own_value_as_successor", "gae_numpy", "values[t + 1] - values[t]", "values[t] - values[t]", "PPO601", "G01"),
    Fault("value_added", "gae_masks", "- value_preds[step]\n", "+ value_preds[step]\n", "PPO601", "G01"),
    Fault("buffer_gamma_twice", "gae_buffer", "gamma * next_values * next_non_terminal - buffer",
          "gamma**2 * next_values * next_non_terminal - buffer", "PPO601", "G03"),
    Fault("last_advantage_is_zero", "gae_batch_first", "in reversed(range(horizon))", "in reversed(range(horizon - 1))",
          "PPO603", "R158 PufferAI/PufferLib#445"),
    # 602 the discounted return --------------------------------------------------------------------------------------
    Fault("rewards_to_go_undiscounted", "rewards_to_go", "reward + gamma * discounted_reward",
          "reward + discounted_reward", "PPO602", "G02"),
    Fault("rewards_to_go_not_restored", "rewards_to_go", "result.insert(0, discounted_reward)",
          "result.append(discounted_reward)", "PPO602", "F35 gone wrong"),
    Fault("returns_without_bootstrap", "bootstrapped_returns", "    R = next_value\n", "    R = 0 * next_value\n",
          "PPO602", "G02"),
    Fault("discount_from_the_wrong_side", "rewards_to_go", "reward + gamma * discounted_reward",
          "gamma * (reward + discounted_reward)", "PPO602", "G02"),
    # 603 the recursion ----------------------------------------------------------------------------------------------
    Fault("loop_not_reversed", "gae_masks", "in reversed(range(rewards.size(0)))", "in range(rewards.size(0))",
          "PPO603", "G10"),
    Fault("lambda_ignored", "gae_truncation", "gamma * lmbda * not_done[t]", "gamma * not_done[t]", "PPO603", "G05"),
    Fault("gamma_missing_in_decay", "gae_numpy", "gamma * lam * alive * carry", "lam * alive * carry", "PPO603", "G16"),
    Fault("carry_from_own_slot", "gae_batch_first", "(1 - dones[:, t]) * carry", "(1 - dones[:, t]) * advantages[:, t]",
          "PPO603", "R136 4kasha/CartPole_PPO#1"),
    Fault("carry_never_kept", "gae_cleanrl", "advantages[t] = lastgaelam = delta", "advantages[t] = delta", "PPO603",
          "R136 4kasha/CartPole_PPO#1"),
    Fault("list_not_restored", "gae_lists", "returns.insert(0, gae + values[step])",
          "returns.append(gae + values[step])", "PPO603", "F35 gone wrong"),
    Fault("decay_exponent_one_high", "gae_matrix", ".clamp(min=0)", ".clamp(min=1)", "PPO603", "R161"),
    Fault("tokens_not_turned_back", "gae_tokens", "reversed_advantages[::-1]", "reversed_advantages", "PPO603", "G22"),
    Fault("lambda_squared", "gae_normalised", "lambda_coefficient * advantage", "lambda_coefficient**2 * advantage",
          "PPO603", "G16"),
    # 604 termination ------------------------------------------------------------------------------------------------
    Fault("carry_through_ends", "gae_numpy", "gamma * lam * alive * carry", "gamma * lam * carry", "PPO604",
          "R140 PaddlePaddle/PARL#47"),
    Fault("bootstrap_through_ends", "gae_batch_first", "following * (1 - dones) - values", "following - values",
          "PPO604", "R142 MorvanZhou/Reinforcement-learning-with-tensorflow#153"),
    Fault("flag_one_step_early", "gae_masks", "value_preds[step + 1] * masks[step + 1]",
          "value_preds[step + 1] * masks[step]", "PPO604", "R131 hill-a/stable-baselines#385"),
    Fault("flags_inverted", "td_lambda_returns", "not_done = 1.0 - dones", "not_done = dones", "PPO604", "G07"),
    Fault("whole_error_masked", "gae_lists", "(1 - dones[step]) - values[step]",
          "(1 - dones[step]) - values[step] * (1 - dones[step])", "PPO604", "G07"),
    Fault("carry_reset_on_wrong_side", "gae_cleanrl", "gamma * gae_lambda * nextnonterminal * lastgaelam",
          "gamma * gae_lambda * (1 - dones[t]) * lastgaelam", "PPO604", "R137 alessiodm/drl-zh#13"),
    Fault("episodes_strung_together", "rewards_to_go", "        if is_terminal:\n", "        if False:\n", "PPO604",
          "R139 philtabor/Youtube-Code-Repository#58"),
    Fault("last_flag_forgotten", "gae_buffer", "            next_non_terminal = 1.0 - dones\n",
          "            next_non_terminal = 1.0\n", "PPO604", "R143 openai/spinningup#257"),
    Fault("target_through_ends", "one_step_advantage", "next_values * (1 - dones)", "next_values", "PPO604", "R142"),
    # 605 truncation -------------------------------------------------------------------------------------------------
    Fault("truncation_ignored", "gae_truncation", "not_terminated * (1.0 - truncated.to(value.dtype))",
          "not_terminated", "PPO605", "R145 Toni-SM/skrl#259"),
    Fault("reset_value_as_successor", "gae_folded", "alive = 1.0 - torch.maximum(terminated, truncated)",
          "alive = 1.0 - terminated", "PPO605", "R152 pytorch/rl b28e4a462"),
    Fault("carry_through_truncation", "gae_matrix", "ended = (terminated + truncated).clamp(max=1.0)",
          "ended = terminated", "PPO605", "R160 micdoh/XLRON#34"),
    # 606 targets ----------------------------------------------------------------------------------------------------
    Fault("returns_are_advantages", "gae_cleanrl", "returns = advantages + values", "returns = advantages", "PPO606",
          "G14"),
    Fault("returns_of_normalised", "gae_normalised", "    returns = advantages + values\n"
          "    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)\n",
          "    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)\n"
          "    returns = advantages + values\n", "PPO606", "A11"),
    Fault("returns_minus_values", "gae_folded", "return adv, adv + values", "return adv, adv - values", "PPO606",
          "G14"),
    Fault("returns_of_other_values", "gae_numpy", "advantages + values[:-1]", "advantages + values[1:]", "PPO606",
          "G14"),
    # 607 environments -----------------------------------------------------------------------------------------------
    Fault("carry_is_a_mean", "gae_truncation", "lmbda * not_done[t] * carry", "lmbda * not_done[t] * carry.mean()",
          "PPO607", "G15"),
    Fault("delta_of_summed_values", "gae_cleanrl", "nextvalues * nextnonterminal - values[t]",
          "nextvalues.mean() * nextnonterminal - values[t]", "PPO607", "G15"),
    Fault("time_flattened", "gae_batch_first", "(1 - dones[:, t]) * carry", "(1 - dones[:, t]) * carry.roll(1)",
          "PPO607", "G15"),
    # 608 hidden constants -------------------------------------------------------------------------------------------
    Fault("rewards_clipped_inside", "gae_batch_first", "deltas = rewards + gamma",
          "deltas = rewards.clamp(-1, 1) + gamma", "PPO608", "G19"),
    Fault("advantage_clipped_inside", "gae_masks", "delta = rewards[step] +", "delta = rewards[step].tanh() +",
          "PPO608", "G11"),
    # 609 dtype ------------------------------------------------------------------------------------------------------
    Fault("flags_bitwise_not", "gae_normalised", "not_dones = dones.logical_not()", "not_dones = 1 - dones", "PPO609",
          "G21"),
    # 801 to 806 groups ----------------------------------------------------------------------------------------------
    Fault("mean_over_the_batch", "group_rows", "rewards.mean(axis=1, keepdims=True)", "rewards.mean()", "PPO802",
          "R118 XU-YIJIE/grpo-flat#2"),
    Fault("no_group_mean", "group_view", "(rewards - mean_grouped)", "rewards", "PPO801", "Q02"),
    Fault("ids_mean_over_the_batch", "group_ids", "centred = rewards - mean[prompt_ids]",
          "centred = rewards - rewards.mean()", "PPO802", "R118"),
    Fault("repeat_for_interleave", "group_view", "mean_grouped.repeat_interleave(num_generations, dim=0)",
          "mean_grouped.repeat(num_generations)", "PPO802", "Q12"),
    Fault("rows_and_columns_swapped", "dr_grpo", "means = rewards.view(-1, group_size).mean(dim=-1, keepdim=True)",
          "means = rewards.view(-1, group_size).mean(dim=0, keepdim=True)", "PPO802", "Q05"),
    Fault("group_epsilon_forgotten", "group_view", "(std_grouped + 1e-4)", "std_grouped", "PPO803", "Q04"),
    Fault("numpy_epsilon_forgotten", "group_rows", "(std + 1e-6)", "std", "PPO803", "Q04"),
    Fault("first_answer_as_baseline", "dr_grpo", "means = rewards.view(-1, group_size).mean(dim=-1, keepdim=True)",
          "means = rewards.view(-1, group_size)[:, :1]", "PPO804", "Q06"),
    Fault("advantages_of_neighbours", "rloo", "(grouped - baseline).flatten()",
          "(grouped - baseline).roll(1, 1).flatten()", "PPO804", "Q06"),
    Fault("helper_group_variance_for_std", "group_view", "rewards.view(-1, num_generations).std(dim=1)",
          "rewards.view(-1, num_generations).var(dim=1)", "PPO805", "Q07"),
    Fault("group_root_forgotten", "group_ids", "variance[prompt_ids].sqrt()", "variance[prompt_ids]", "PPO805", "Q07"),
    Fault("batch_variance", "group_batch_std", "centred.std()", "centred.var()", "PPO805", "Q07"),
    Fault("one_answer_sample_std", "group_ids", "scatter_add(0, prompt_ids, centred**2) / count",
          "scatter_add(0, prompt_ids, centred**2) / (count - 1)", "PPO806", "Q14"),
    # 202, 203 normalisers -------------------------------------------------------------------------------------------
    Fault("guard_lost", "normalise_guarded", "if len(advantages) > 1:", "if True:", "PPO202", "implementations H2"),
    Fault("helper_epsilon_forgotten", "standardise_numpy", "(adv.std(ddof=0) + 1e-8)", "adv.std(ddof=0)", "PPO202",
          "A04"),
    Fault("helper_variance_for_std", "normalise_guarded", "advantages.std()", "advantages.var()", "PPO203", "A06"),
    Fault("helper_parenthesis_lost", "normalise_guarded",
          "(advantages - advantages.mean()) / (advantages.std() + 1e-8)",
          "advantages - advantages.mean() / (advantages.std() + 1e-8)", "PPO203", "R116 Omegastick/pytorch-cpp-rl#14"),
    # 403, 411, 412 entropy and KL helpers ---------------------------------------------------------------------------
    Fault("entropy_minus_lost", "entropy_categorical", "return -(log_p", "return (log_p", "PPO403", "E02"),
    Fault("entropy_in_bits", "entropy_categorical", "(log_p.exp() * log_p)",
          "(log_p.exp() * log_p / 0.6931471805599453)", "PPO403", "E02"),
    Fault("entropy_without_p", "entropy_categorical", "(log_p.exp() * log_p)", "(log_p)", "PPO403", "E06"),
    Fault("entropy_constant_lost", "entropy_gaussian", "math.log(2 * math.pi * math.e)", "math.log(2 * math.pi)",
          "PPO403", "E05"),
    Fault("helper_k3_reversed", "kl_estimators", "(-log_ratio).exp() - 1 + log_ratio",
          "log_ratio.exp() - 1 - log_ratio", "PPO412", "R094"),
    Fault("helper_k3_without_one", "kl_estimators", "(-log_ratio).exp() - 1 + log_ratio",
          "(-log_ratio).exp() + log_ratio", "PPO411", "K01"),
    Fault("helper_kl_negative", "kl_categorical", "(old_log_p - log_p)", "(log_p - old_log_p)", "PPO411",
          "R092 lucidrains/PaLM-rlhf-pytorch"),
    Fault("helper_kl_half_twice", "kl_gaussians", "0.5 * (variance_ratio + distance - 1)",
          "0.25 * (variance_ratio + distance - 1)", "PPO412", "K03"),
    Fault("helper_kl_without_minus_one", "kl_gaussians", "distance - 1))", "distance))", "PPO411", "K01"),
)
# fmt: on
