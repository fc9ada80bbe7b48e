"""Refactorings of losses and helpers of the corpus: one edit each that computes the same, in other operations."""

from ppo_audit.corpus.catalogue import Fault
from ppo_audit.corpus.helper_catalogue import Fault as HelperFault


def Refactoring(name: str, base: str, old: str, new: str) -> Fault:
    """An edit as text; its `old` occurs once in the base."""
    return Fault(name, base, old, new, rule="")


# fmt: off
REFACTORINGS = (
    Refactoring("minimum_of_a_stack", "plain_min", "torch.min(surr1, surr2)",
                "torch.stack([surr1, surr2]).min(dim=0).values"),
    Refactoring("maximum_of_negated", "plain_min", "-torch.min(surr1, surr2).mean()",
                "torch.maximum(-surr1, -surr2).mean()"),
    Refactoring("where_for_minimum", "plain_min", "torch.min(surr1, surr2)",
                "torch.where(surr1 <= surr2, surr1, surr2)"),
    Refactoring("sum_over_count", "plain_min", "-torch.min(surr1, surr2).mean()",
                "-(torch.min(surr1, surr2).sum() / surr1.numel())"),
    Refactoring("quotient_of_exps_in_logs", "cleanrl_minibatch", "ratio = logratio.exp()",
                "ratio = torch.exp(newlogprob - b_logprobs)"),
    Refactoring("advantages_into_the_maximum", "cleanrl_minibatch",
                "pg_loss = torch.max(pg_loss1, pg_loss2).mean()",
                "pg_loss = torch.mean(torch.stack((pg_loss2, pg_loss1), -1).amax(-1))"),
    Refactoring("variance_then_root", "cleanrl_minibatch", "b_advantages.std()", "b_advantages.var().sqrt()"),
    Refactoring("centred_first", "cleanrl_minibatch",
                "mb_advantages = (b_advantages - b_advantages.mean()) / (b_advantages.std() + 1e-8)",
                "centred = b_advantages - torch.mean(b_advantages)\n"
                "    mb_advantages = centred.div(1e-8 + torch.std(b_advantages))"),
    Refactoring("clipped_value_from_bounds", "cleanrl_minibatch",
                "v_clipped = b_values + torch.clamp(newvalue - b_values, -clip_coef, clip_coef)",
                "v_clipped = torch.max(torch.min(newvalue, b_values + clip_coef), b_values - clip_coef)"),
    Refactoring("square_by_product", "cleanrl_minibatch", "(newvalue - b_returns) ** 2",
                "(newvalue - b_returns) * (newvalue - b_returns)"),
    Refactoring("terms_in_another_order", "cleanrl_minibatch",
                "total = pg_loss - ent_coef * entropy_loss + v_loss * vf_coef",
                "total = vf_coef * v_loss + (pg_loss - entropy_loss.mul(ent_coef))"),
    Refactoring("reshape_for_view", "cleanrl_minibatch", "newvalue = newvalue.view(-1)",
                "newvalue = newvalue.reshape(-1, 1).squeeze(1)"),
    Refactoring("where_for_mask", "token_mean", "return (values * mask).sum() / (mask.sum() + 1e-8)",
                "return torch.where(mask > 0, values, torch.zeros_like(values)).sum() / (mask.sum() + 1e-8)"),
    Refactoring("mask_written_in_place", "token_mean", "return (values * mask).sum() / (mask.sum() + 1e-8)",
                "kept = values.clone()\n    kept[mask == 0] = 0.0\n    return kept.sum() / (mask.sum() + 1e-8)"),
    Refactoring("helper_inlined", "token_mean", "pg_loss = masked_mean(pg_losses, response_mask)",
                "pg_loss = torch.sum(response_mask * pg_losses) / (response_mask.sum() + 1e-8)"),
    Refactoring("lines_shifted", "token_mean", "import torch\n", "import torch\n\n# a comment\n# and another\n\n"),
    Refactoring("helper_extracted", "sb3_rollout_data",
                "    ratio = torch.exp(log_prob - rollout_data.old_log_prob)\n",
                "    def ratio_of(new, old):\n        return torch.exp(new - old)\n\n"
                "    ratio = ratio_of(log_prob, rollout_data.old_log_prob)\n"),
    Refactoring("mse_by_hand", "sb3_rollout_data", "F.mse_loss(rollout_data.returns, values.flatten())",
                "(values.flatten() - rollout_data.returns).square().mean()"),
    Refactoring("minus_taken_inside", "sb3_rollout_data", "entropy_loss = -torch.mean(entropy)",
                "entropy_loss = torch.mean(-entropy)"),
    Refactoring("k3_reordered", "kl_penalty_adaptive", "kl = (ratio - 1) - log_ratio", "kl = ratio - log_ratio - 1"),
    Refactoring("two_means_for_one", "kl_penalty_adaptive", "(-ratio * advantages + kl_coef * kl).mean()",
                "(-ratio * advantages).mean() + kl_coef * kl.mean()"),
    Refactoring("k3_in_another_order", "grpo_sequence_mean",
                "torch.exp(delta) - delta - 1", "torch.exp(delta) - 1 - delta"),
    Refactoring("mean_of_sequences_by_hand", "grpo_sequence_mean",
                "return ((per_token_loss * completion_mask).sum(-1) / lengths).mean()",
                "return (per_token_loss * (completion_mask / lengths[:, None])).sum() / len(lengths)"),
    Refactoring("log_softmax_by_logsumexp", "categorical_logits", "torch.log_softmax(logits, dim=-1)",
                "logits - torch.logsumexp(logits, dim=-1, keepdim=True)"),
    Refactoring("index_for_gather", "categorical_logits", "log_all.gather(1, actions.long().unsqueeze(1)).squeeze(1)",
                "log_all[torch.arange(len(actions)), actions.long()]"),
    HelperFault("delta_in_another_order", "gae_cleanrl",
                "rewards[t] + gamma * nextvalues * nextnonterminal - values[t]",
                "(rewards[t] - values[t]) + nextnonterminal * (nextvalues * gamma)", ""),
    HelperFault("products_in_another_order", "gae_cleanrl", "delta + gamma * gae_lambda * nextnonterminal * lastgaelam",
                "lastgaelam * nextnonterminal * (gamma * gae_lambda) + delta", ""),
)
# fmt: on
