"""Correct losses in unusual but honest forms: each holds to a convention that a rule could take for a fault."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.distributions import Normal


def mappo(mean, log_std, actions, old_action_log_probs, adv_targ, values, value_preds, returns, clip_param=0.2):
    """MAPPO: [N, 1] columns beside [N, D] means."""
    dist = Normal(mean, log_std.exp())
    action_log_probs = dist.log_prob(actions).sum(-1, keepdim=True)
    imp_weights = torch.exp(action_log_probs - old_action_log_probs)
    surr1 = imp_weights * adv_targ
    surr2 = torch.clamp(imp_weights, 1 - clip_param, 1 + clip_param) * adv_targ
    policy = -torch.sum(torch.min(surr1, surr2), dim=-1, keepdim=True).mean()
    vclip = value_preds + (values - value_preds).clamp(-clip_param, clip_param)
    vl = torch.max((values - returns) ** 2, (vclip - returns) ** 2).mean()
    return policy + 0.5 * vl - 0.01 * dist.entropy().sum(-1).mean()


def rsl_rl(
    actions_log_prob_batch,
    old_actions_log_prob_batch,
    advantages_batch,
    value_batch,
    target_values_batch,
    returns_batch,
    entropy_batch,
    clip_param=0.2,
):
    ratio = torch.exp(actions_log_prob_batch - torch.squeeze(old_actions_log_prob_batch))
    surrogate = -torch.squeeze(advantages_batch) * ratio
    sc = -torch.squeeze(advantages_batch) * torch.clamp(ratio, 1.0 - clip_param, 1.0 + clip_param)
    sl = torch.max(surrogate, sc).mean()
    value_clipped = target_values_batch + (value_batch - target_values_batch).clamp(-clip_param, clip_param)
    vl = torch.max((value_batch - returns_batch).pow(2), (value_clipped - returns_batch).pow(2)).mean()
    return sl + 1.0 * vl - 0.01 * entropy_batch.mean()


def returns_column(log_prob, old_log_prob, advantages, values, returns, clip=0.2):
    """values come from a critic head, (N, 1)."""
    ratio = (log_prob - old_log_prob).exp()
    pl = -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
    return pl + 0.5 * F.mse_loss(values, returns.unsqueeze(1))


def softmax_awr(log_prob, advantages, values, returns, beta=1.0):
    w = torch.softmax(advantages / beta, dim=0) * len(advantages)
    return -(w.detach() * log_prob).mean() + 0.5 * (values - returns).pow(2).mean()


def grpo_nomask(logps, old_logps, advantages, eps=0.2):
    ratio = (logps - old_logps).exp()
    adv = advantages.unsqueeze(-1)
    return -torch.min(ratio * adv, ratio.clamp(1 - eps, 1 + eps) * adv).mean()


def high_entropy_tokens(log_prob, old_log_prob, advantages, entropy, response_mask, clip_ratio=0.2):
    threshold = torch.quantile(entropy[response_mask.bool()].detach(), 0.2)
    keep = response_mask * (entropy >= threshold)
    ratio = (log_prob - old_log_prob).exp()
    token_loss = torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - clip_ratio, 1 + clip_ratio))
    return (token_loss * keep).sum() / keep.sum().clamp(min=1)


def pairwise_group(log_probs, old_log_probs, advantages, group_ids, clip_range=0.2):
    same = (group_ids[:, None] == group_ids[None, :]).to(advantages.dtype)
    mean = (same @ advantages) / same.sum(1)
    adv = advantages - mean
    ratio = (log_probs - old_log_probs).exp()
    return torch.max(-adv * ratio, -adv * ratio.clamp(1 - clip_range, 1 + clip_range)).mean()


def loo_pairwise(log_probs, old_log_probs, advantages, group_ids, clip_range=0.2):
    same = (group_ids.unsqueeze(1) == group_ids).to(advantages.dtype)
    adv = advantages - (same * advantages).sum(1) / same.sum(1)
    ratio = (log_probs - old_log_probs).exp()
    return torch.max(-adv * ratio, -adv * ratio.clamp(1 - clip_range, 1 + clip_range)).mean()


def popart(log_prob, old_log_prob, advantages, values, returns, clip=0.2):
    target = (returns - returns.mean()) / (returns.std() + 1e-5)
    ratio = (log_prob - old_log_prob).exp()
    return (
        -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
        + 0.5 * (values - target).pow(2).mean()
    )


def tis_ratio(log_probs, old_log_probs, ref_log_probs, advantages, loss_mask, eps=0.2, beta=0.01):
    ratio = torch.exp(log_probs - old_log_probs)
    kl = torch.exp(ref_log_probs - log_probs) - (ref_log_probs - log_probs) - 1
    w = torch.exp(log_probs - old_log_probs).clamp(max=2).detach()
    s = torch.min(ratio * advantages, ratio.clamp(1 - eps, 1 + eps) * advantages)
    return -((s - beta * w * kl) * loss_mask).sum() / loss_mask.sum().clamp(min=1)


def spo(log_prob, old_log_prob, advantages, eps=0.2):
    r = (log_prob - old_log_prob).exp()
    return -(r * advantages - advantages.abs() / (2 * eps) * (r - 1) ** 2).mean()


def sapo(log_probs, old_log_probs, advantages, mask, tau=1.0):
    r = (log_probs - old_log_probs).exp()
    gate = torch.sigmoid(tau * (r - 1)) * 4 / tau
    return -((gate * advantages) * mask).sum() / mask.sum().clamp(min=1)


def gspo_token(log_probs, old_log_probs, advantages, response_mask, clip_low=3e-4, clip_high=4e-4):
    lr = log_probs - old_log_probs
    s = (lr * response_mask).sum(-1) / response_mask.sum(-1).clamp(min=1)
    lsi = log_probs - log_probs.detach() + s.detach().unsqueeze(-1)
    si = torch.exp(lsi.clamp(max=10))
    token_loss = torch.max(-advantages * si, -advantages * si.clamp(1 - clip_low, 1 + clip_high))
    return (token_loss * response_mask).sum() / response_mask.sum().clamp(min=1)


def asserts(log_prob, old_log_prob, advantages, values, returns, entropy, clip=0.2):
    assert log_prob.shape == old_log_prob.shape == advantages.shape == values.shape == returns.shape
    assert not advantages.requires_grad
    ratio = (log_prob - old_log_prob).exp()
    return (
        -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
        + F.huber_loss(values, returns)
        - 0.01 * entropy.mean()
    )


def inner_adv(log_prob, old_log_prob, values, old_values, returns, clip=0.2):
    adv = returns - old_values
    adv = (adv - adv.mean()) / (adv.std() + 1e-8)
    ratio = (log_prob - old_log_prob).exp()
    return (
        -torch.min(ratio * adv, ratio.clamp(1 - clip, 1 + clip) * adv).mean() + 0.5 * (values - returns).pow(2).mean()
    )


def quantile_pairwise(log_prob, old_log_prob, advantages, quantiles, target_quantiles, clip=0.2):
    ratio = (log_prob - old_log_prob).exp()
    pl = -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
    k = quantiles.shape[-1]
    tau = (torch.arange(k, dtype=quantiles.dtype) + 0.5) / k
    u = target_quantiles.unsqueeze(-2) - quantiles.unsqueeze(-1)
    return (
        pl
        + (
            (tau.view(1, -1, 1) - (u < 0).to(u.dtype)).abs() * F.huber_loss(u, torch.zeros_like(u), reduction="none")
        ).mean()
    )


def rmse_value(log_prob, old_log_prob, advantages, values, returns, clip=0.2):
    ratio = (log_prob - old_log_prob).exp()
    pl = -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
    return pl + 0.5 * torch.mean((values - returns) ** 2)


def seq_kl_reward(log_probs, old_log_probs, ref_log_probs, advantages, mask, kl_coef=0.1, clip=0.2):
    adv = advantages - kl_coef * ((old_log_probs - ref_log_probs) * mask).sum(-1, keepdim=True)
    ratio = (log_probs - old_log_probs).exp()
    token_loss = -torch.min(ratio * adv, ratio.clamp(1 - clip, 1 + clip) * adv)
    return (token_loss * mask).sum() / mask.sum().clamp(min=1)


def column_categorical(logits, actions, old_log_probs, advantages, values, returns, clip=0.2):
    """[N, 1] actions, log-probs, advantages."""
    logp = F.log_softmax(logits, -1)
    lp = logp.gather(1, actions.long())
    ratio = (lp - old_log_probs).exp()
    pl = -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
    return pl + 0.5 * (values - returns).pow(2).mean() - 0.01 * -(logp.exp() * logp).sum(-1).mean()


def kl_on_the_most_covariant(log_prob, old_log_prob, advantages, ratio_of_samples=0.25, kl_coef=0.1):
    """KL-Cov: the samples whose advantage and log-prob vary together most are held back by a KL, the others not."""
    log_ratio = (log_prob - old_log_prob).clamp(-10, 10)
    losses = -advantages * log_ratio.exp()
    held_back = losses + kl_coef * log_ratio.abs()
    covariance = ((advantages - advantages.mean()) * (log_prob - log_prob.mean())).detach()
    count = max(1, int(len(covariance) * ratio_of_samples))
    chosen = torch.topk(covariance, count, largest=True).indices
    losses[chosen] = held_back[chosen]
    return losses.mean()


def outliers_left_out(log_prob, old_log_prob, advantages, clip_range=0.2):
    """Samples beyond the quantile of the ratio count nothing, as a trust region by selection."""
    log_ratio = (log_prob - old_log_prob).clamp(-10, 10)
    ratio = log_ratio.exp()
    losses = -torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages)
    keep = ratio.detach() <= torch.quantile(ratio.detach(), 0.9)
    return (losses * keep).sum() / keep.sum()


def clip_range_must_be_given(
    old_log_prob, log_prob, advantages, response_mask, cliprange=None, cliprange_low=None, clip_ratio_c=3.0
):
    """verl: None stands for an argument that the caller always gives, and the lower one follows the other."""
    ratio = (log_prob - old_log_prob).clamp(-20, 20).exp()
    low = cliprange if cliprange_low is None else cliprange_low
    losses = torch.maximum(-advantages * ratio, -advantages * ratio.clamp(1 - low, 1 + cliprange))
    losses = torch.where(advantages < 0, torch.min(-advantages * clip_ratio_c, losses), losses)
    return (losses * response_mask).sum() / response_mask.sum()


def scaled_by_workers(values, returns, mask, dp_size=1, total_tokens=None):
    """OpenRLHF: `dp_size` counts only beside the number of tokens of all workers."""
    losses = (values - returns) ** 2 * mask
    return losses.sum() / mask.sum() if total_tokens is None else losses.sum() / total_tokens * dp_size


def gspo_sum(log_probs, old_log_probs, advantages, response_mask, clip_low=3e-4, clip_high=4e-4):
    """A sum over sequences, which the caller divides; the range is so narrow that most sequences lie outside."""
    lengths = response_mask.sum(-1).clamp(min=1)
    mean_log_ratio = ((log_probs - old_log_probs) * response_mask).sum(-1) / lengths
    ratio = torch.exp(mean_log_ratio.clamp(max=10.0))
    return torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - clip_low, 1 + clip_high)).sum()


def held_by_the_distance(log_prob, old_log_prob, ref_log_prob, advantages, clip_range=0.2, kl_coef=0.01):
    """A penalty on how far apart the log-probs are, which is no KL and is not called one."""
    ratio = torch.exp((log_prob - old_log_prob).clamp(-10, 10))
    surrogate = torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages)
    return -surrogate.mean() + kl_coef * (log_prob - ref_log_prob).abs().mean()


@dataclass
class Stored:
    action_log_probs: torch.Tensor
    log_probs_ref: torch.Tensor
    action_mask: torch.Tensor
    advantages: torch.Tensor


def two_of_one_name(log_probs, experience: Stored, clip_eps=0.2, kl_weight=0.01):
    """The record holds what the policy said then; the argument is what it says now."""
    ratio = (log_probs - experience.action_log_probs).exp()
    surrogate = torch.min(
        ratio * experience.advantages, ratio.clamp(1 - clip_eps, 1 + clip_eps) * experience.advantages
    )
    apart = experience.log_probs_ref - log_probs
    losses = kl_weight * (apart.exp() - apart - 1) - surrogate
    return ((losses * experience.action_mask).sum(-1) / experience.action_mask.sum(-1)).mean()


def divided_by_len(
    curr_logprobs, prev_logprobs, generation_logprobs, reference_logprobs, advantages, mask,
    eps_clip=0.2, eps_clip_higher=0.28, kl_coef=0.04,
):  # fmt: skip
    """A mean that Python divides, weights for the sampler's own log-probs, an upper bound with a name of its own."""
    ratio = (curr_logprobs - prev_logprobs).exp()
    losses = torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - eps_clip, 1 + eps_clip_higher))
    losses = losses * (prev_logprobs - generation_logprobs).exp()
    apart = reference_logprobs - curr_logprobs
    losses = losses + kl_coef * (apart.exp() - apart - 1)
    return ((losses * mask).sum(-1) / mask.sum(-1).clamp(min=1)).sum() / mask.shape[0]


def reciprocal_bounds(log_prob, old_log_prob, adv, valids, clip_ratio=0.1):
    """Sample Factory: from 1 / 1.1 to 1.1."""
    ratio = (log_prob - old_log_prob).exp()
    high = 1 + clip_ratio
    losses = torch.min(ratio * adv, ratio.clamp(1 / high, high) * adv)
    return -losses[valids.bool()].mean()


def single_precision_only(logprobs, old_logprobs, advantages, eps_clip, loss_mask):
    """Nothing but float32 is let in."""
    assert logprobs.dtype == old_logprobs.dtype == advantages.dtype == torch.float32
    ratio = torch.where(loss_mask, (logprobs - old_logprobs).exp(), 0.0)
    losses = torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - eps_clip, 1 + eps_clip))
    return torch.where(loss_mask, losses, 0.0).sum() / loss_mask.count_nonzero()


def one_advantage_a_sequence(logprobs, old_logprobs, advantages, loss_mask, eps_clip=0.2):
    """GSPO: the advantages of the tokens are averaged like their log-ratios, and spread out again."""
    lengths = loss_mask.sum(-1, keepdim=True).clamp(min=1)
    ratio = (((logprobs - old_logprobs) * loss_mask).sum(-1, keepdim=True) / lengths).exp().expand_as(logprobs)
    credit = ((advantages * loss_mask).sum(-1, keepdim=True) / lengths).expand_as(logprobs)
    losses = torch.max(-credit * ratio, -credit * ratio.clamp(1 - eps_clip, 1 + eps_clip))
    return (losses * loss_mask).sum() / loss_mask.sum()


def sequences_bounded_twice(log_probs, old_log_probs, advantages, response_mask, pg_clip=0.2):
    """ROLL: a ratio of sequences with an epsilon beside the number of tokens, under a dual clip near the clip."""
    lengths = response_mask.sum(-1)
    mean = ((log_probs - old_log_probs) * response_mask).sum(-1) / (lengths + 1e-8)
    ratio = torch.where(lengths > 0, mean, torch.zeros_like(mean)).exp().unsqueeze(-1).expand_as(log_probs)
    losses = -torch.min(ratio * advantages, ratio.clamp(1 - pg_clip, 1 + pg_clip) * advantages)
    losses = torch.where(advantages < 0, -torch.max(-losses, (1 + 2 * pg_clip) * advantages), losses)
    return (losses * response_mask).sum() / response_mask.sum()


def entropy_of_responses(action_log_probs, old_log_probs, advantages, entropies, eps_clip=0.2):
    """Ratios of tokens; of a response one advantage and one entropy."""
    ratios = (action_log_probs - old_log_probs).exp()
    credit = advantages[:, None]
    surrogate = torch.min(ratios * credit, ratios.clamp(1 - eps_clip, 1 + eps_clip) * credit)
    return (-surrogate.mean(-1) - 0.01 * entropies).mean()


def two_paddings(new_logprobs, mb_logprobs, mb_advantage, vpred, mb_return, padding_mask, padding_mask_p1, clip=0.2):
    """summarize_from_feedback: true is padding, with one token more for the values; `~` is no minus one."""
    ratio = torch.exp(new_logprobs - mb_logprobs)
    losses = torch.max(-mb_advantage * ratio, -mb_advantage * ratio.clamp(1 - clip, 1 + clip))
    policy = (losses * ~padding_mask).sum() / (~padding_mask).sum()
    errors = (vpred - mb_return).square() * ~padding_mask_p1
    return policy + 0.05 * errors.sum() / (~padding_mask_p1).sum()


def masks_of_tokens_and_of_responses(
    log_probs, old_log_probs, advantages, per_token_kl, action_mask=None, loss_mask=None, beta=0.01
):
    """ColossalChat: the second mask is one of responses, and may be left out."""
    ratio = ((log_probs - old_log_probs) * action_mask).exp()
    losses = -torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages) + beta * per_token_kl
    losses = (losses * action_mask).sum(-1) / (action_mask.sum(-1) + 1e-8)
    return (losses if loss_mask is None else losses * loss_mask).mean()


def goals_called_rewards(new_values, old_values, rewards, clip=0.1):
    """cherry: beside values new and old, rewards are what the critic is to predict."""
    assert new_values.size() == old_values.size() == rewards.size()
    moved = old_values + (new_values - old_values).clamp(-clip, clip)
    return 0.5 * torch.max((rewards - new_values) ** 2, (rewards - moved) ** 2).mean()


def of_probabilities(new_probs, old_probs, advantages, clip=0.2):
    ratio = new_probs / (old_probs + 1e-10)
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


def of_gathered_probabilities(logits, actions, prev_probs, advantages, values, returns, entropy_coef=0.01):
    policy = torch.distributions.Categorical(logits=logits)
    ratio = policy.probs.gather(1, actions[:, None]).squeeze(1).div(prev_probs)
    surrogate = torch.min(ratio * advantages, torch.clamp(ratio, 0.8, 1.2) * advantages)
    return -surrogate.mean() + 0.5 * (values - returns).pow(2).mean() - entropy_coef * policy.entropy().mean()


@dataclass
class Losses:
    pg_loss: torch.Tensor
    vf_loss: torch.Tensor
    policykl: torch.Tensor


def losses_side_by_side(old_logprobs, values, vpreds, logprobs, mask, advantages, returns, vf_coef=0.1) -> Losses:
    """TRL's shape: the caller adds them."""
    ratio = torch.exp(logprobs - old_logprobs)
    policy = torch.max(-advantages * ratio, -advantages * ratio.clamp(0.8, 1.2))
    clipped = torch.max(torch.min(vpreds, values + 0.2), values - 0.2)
    value = torch.max((vpreds - returns) ** 2, (clipped - returns) ** 2)
    mean = lambda x: (x * mask).sum() / mask.sum()
    return Losses(mean(policy), vf_coef * 0.5 * mean(value), mean(old_logprobs - logprobs).detach())


def total_beside_its_parts(new_log_probs, old_log_probs, advantages, entropy, clip_eps=0.2, entropy_coef=0.01):
    """What is called total is the loss, whatever is returned beside it."""
    ratio = (new_log_probs - old_log_probs).exp()
    policy = -torch.min(ratio * advantages, ratio.clamp(1 - clip_eps, 1 + clip_eps) * advantages).mean()
    total = policy - entropy_coef * entropy.mean()
    return {"loss_total": total, "loss_policy": policy, "loss_entropy": -entropy.mean()}


def credit_in_the_dtype_of_the_ratio(new_action_log_prob, action_log_prob, advantage, new_action_entropy):
    """machin: `type_as` takes the dtype of the ratio and nothing else; the entropy is added in place."""
    ratio = torch.exp(new_action_log_prob - action_log_prob)
    advantage = advantage.type_as(ratio)
    losses = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
    losses += -0.01 * new_action_entropy.mean()
    return losses.mean()


def statements_in_place(log_prob, old_log_prob, advantage, values, returns):
    """A statement that works in place, and a stop-gradient of the same kind."""
    advantage = advantage - advantage.mean()
    advantage.div_(advantage.std(unbiased=False) + 1e-8)
    advantage.detach_()
    ratio = (log_prob - old_log_prob).exp()
    return -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean() + 0.5 * F.mse_loss(values, returns)


def batch_made_columns(action_log_prob, value, dist_entropy, batch):
    """The networks give columns, the buffer rows."""
    ratio = torch.exp(action_log_prob - batch["old_log_probs"].view(-1, 1))
    credit = batch["advantages"].view(-1, 1)
    policy = -torch.min(ratio * credit, ratio.clamp(0.8, 1.2) * credit).sum(-1, keepdim=True).mean()
    return policy + 0.5 * F.mse_loss(value, batch["returns"].view(-1, 1)) - 0.01 * dist_entropy.mean()


def choices_in_a_column(logits, actions, old_log_probs, advantages, clip_eps=0.2):
    """Actions are kept as a column for `gather`, all else by row."""
    taken = torch.log_softmax(logits, dim=1).gather(1, actions).squeeze(1)
    ratio = (taken - old_log_probs).exp()
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip_eps, 1 + clip_eps) * advantages).sum()


def squashed_policy(mean, log_std, actions, old_logp, adv, clip_eps=0.2):
    """Actions after a tanh: the policy is asked for what they were before."""
    before = torch.atanh(actions.clamp(-1 + 1e-6, 1 - 1e-6))
    logp = Normal(mean, log_std.exp()).log_prob(before).sum(-1)
    logp -= torch.log(1 - actions.pow(2) + 1e-6).sum(-1)
    ratio = (logp - old_logp).exp()
    return -torch.min(ratio * adv, ratio.clamp(1 - clip_eps, 1 + clip_eps) * adv).mean()


def values_in_units_of_the_returns(log_prob, old_log_prob, adv_b, new_values, old_values, ret_b, clip_eps=0.2):
    """Critic and targets are scaled by the returns of the batch before the clip."""
    centre, spread = ret_b.mean(), ret_b.std(unbiased=False) + 1e-8
    new, old, goal = ((each - centre) / spread for each in (new_values, old_values, ret_b))
    clipped = old + (new - old).clamp(-clip_eps, clip_eps)
    value = 0.5 * torch.max((new - goal) ** 2, (clipped - goal) ** 2).mean()
    ratio = (log_prob - old_log_prob).exp()
    return -torch.min(ratio * adv_b, ratio.clamp(1 - clip_eps, 1 + clip_eps) * adv_b).mean() + value


def one_group_in_each_call(log_probs, old_log_probs, rewards, mask, clip_eps=0.2):
    """Tutorials of GRPO: all rewards are answers to one prompt, and nothing speaks of another."""
    credit = ((rewards - rewards.mean()) / (rewards.std() + 1e-4)).unsqueeze(-1)
    ratio = torch.exp(log_probs - old_log_probs)
    losses = -torch.min(ratio * credit, ratio.clamp(1 - clip_eps, 1 + clip_eps) * credit)
    return ((losses * mask).sum(1) / mask.sum(1)).mean()


def cap_of_the_other_mode(logps, old_logps, advantages, mask, kind="clipped", epsilon=0.2, epsilon_high=5.0):
    """minimind: the upper number is the cap of the weights in the mode that is off."""
    ratio, credit = torch.exp(logps - old_logps), advantages.unsqueeze(1)
    if kind == "capped":
        losses = -ratio.clamp(max=epsilon_high).detach() * credit * logps
    else:
        losses = -torch.min(ratio * credit, ratio.clamp(1 - epsilon, 1 + epsilon) * credit)
    return ((losses * mask).sum(1) / mask.sum(1)).mean()


def masked_after_the_dimensions(logps, old_logps, advantages, active_masks, dist_entropy, clip_param=0.2):
    """MAPPO: action dimensions are summed into a column, and the column is masked."""
    weights = torch.exp(logps - old_logps)
    gain = torch.min(weights * advantages, weights.clamp(1 - clip_param, 1 + clip_param) * advantages)
    policy = (-torch.sum(gain, dim=-1, keepdim=True) * active_masks).sum() / active_masks.sum().clamp(min=1)
    return policy - 0.01 * dist_entropy


def two_kinds_of_rows(log_prob, old_log_prob, advantages, from_teacher=2, clip=0.2):
    """The first rows come from a teacher: each kind has a mean of its own."""
    ratio = (log_prob - old_log_prob).exp()
    losses = torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip))
    return losses[:from_teacher].mean() + losses[from_teacher:].mean()


def joint_by_product(log_probs, old_log_probs, adv, mask, clip=0.2):
    """A product over the dimensions of an action, in columns; no axis is one of tokens."""
    joint = torch.prod((log_probs - old_log_probs).exp(), dim=-1, keepdim=True)
    chosen = torch.min(joint * adv, joint.clamp(1 - clip, 1 + clip) * adv)
    return -(torch.sum(chosen, dim=-1, keepdim=True) * mask).sum() / mask.sum().clamp_min(1.0)


def credit_of_agents(log_prob, old_log_prob, all_advantages, clip=0.2):
    """One policy for all agents is credited with the mean of their advantages, (N, K, 1)."""
    ratio, credit = (log_prob - old_log_prob).exp(), all_advantages.mean(-2)
    return -torch.min(ratio * credit, ratio.clamp(1 - clip, 1 + clip) * credit).mean()


def joint_old_log_prob(sequence_logprobs, old_logprobs, advantages, clip=0.2):
    """The old log-prob of a sequence was summed when it was stored."""
    ratio = (sequence_logprobs.sum(1) - old_logprobs).exp()
    return torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)).mean()


def left_out_in_a_loop(log_probs, rewards):
    """Leave-one-out advantages, written one by one."""
    advantages = torch.zeros_like(rewards)
    for row in range(len(rewards)):
        advantages[row] = rewards[row] - (rewards.sum() - rewards[row]) / (len(rewards) - 1)
    return -(advantages * log_probs).mean()


def expectile_critic(values, value_target, expectile=0.7):
    """IQL: too low a prediction is pulled harder than one that is too high."""
    error = value_target - values
    return (torch.where(error > 0, expectile, 1 - expectile) * error**2).mean()


def fixed_unit(log_prob, old_log_prob, advantages, values, returns, clip=0.2):
    """The critic's head predicts in units of running statistics that are held elsewhere."""
    ratio = (log_prob - old_log_prob).exp()
    policy = torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)).mean()
    return policy + 0.25 * (values - (returns - 0.3) / 2.0).pow(2).mean()


def fenced_kl(log_prob, old_log_prob, advantages, mean, std, old_mean, old_std, beta=1.0):
    """A KL penalty, and a steeper one from twice the target on."""
    kl = torch.distributions.kl_divergence(Normal(old_mean, old_std), Normal(mean, std)).sum(-1).mean()
    surrogate = (advantages * (log_prob - old_log_prob).exp()).mean()
    return -surrogate + beta * kl + 50.0 * torch.square(torch.clamp(kl - 0.006, min=0.0))


def weighted_entropy(log_prob, old_log_prob, advantages, clip=0.2, entropy_coef=0.01):
    """The entropy is estimated from the old policy's samples, by their weights."""
    ratio = (log_prob - old_log_prob).exp()
    policy = torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)).mean()
    return policy - entropy_coef * -(ratio.detach() * log_prob).mean()


def ratio_comes_first(log_prob, old_log_prob, advantages, entropy, clip=0.2):
    """The tuple begins with what is logged."""
    ratio = (log_prob - old_log_prob).exp()
    losses = torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip))
    policy_loss = losses.mean() - 0.01 * entropy
    return ratio, losses, policy_loss


def upper_range_of_its_own(log_prob, old_log_prob, advantages, clip=0.2):
    """Clip-higher with an upper range that no argument moves."""
    ratio = (log_prob - old_log_prob).exp()
    return torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1.28)).mean()


def kl_in_the_reward(logp, logp_ref, rewards, beta=0.05):
    """The reward holds a KL, and its mean over the batch is the baseline."""
    returns = rewards - beta * (logp - logp_ref).detach()
    return -(logp * (returns - returns.mean())).mean()


def dreamer(lambda_returns, state_values, log_policy, entropy):
    """The unit of the returns is their range; the sign stands before the advantage."""
    span = torch.quantile(lambda_returns, 0.95) - torch.quantile(lambda_returns, 0.05)
    advantage = (lambda_returns - state_values).detach() / span.clamp(min=1.0)
    return (-1 * advantage * log_policy - 3e-4 * entropy).mean()


def last_step_bootstraps(returns, log_probs):
    """Steps come first, and the last of them is there for its value only."""
    return -(log_probs[:-1] * returns[:-1].detach()).mean()


@torch.jit.script
def scripted(log_prob, old_log_prob, advantage, clip_range: float = 0.2):
    ratio = torch.exp(log_prob - old_log_prob)
    return -torch.min(ratio * advantage, torch.clamp(ratio, 1.0 - clip_range, 1.0 + clip_range) * advantage).mean()


@torch.compile
def compiled(log_prob, old_log_prob, advantage, clip_range: float = 0.2):
    ratio = torch.exp(log_prob - old_log_prob)
    return -torch.min(ratio * advantage, ratio.clamp(1.0 - clip_range, 1.0 + clip_range) * advantage).mean()


def surrogate_loss(new_log_probs, old_log_probs, advantages):
    """A trust region climbs it."""
    return (torch.exp(new_log_probs - old_log_probs) * advantages).mean()


class Annealed:
    """The range shrinks with what is left of the training."""

    clip_param, remaining = 0.2, 0.75

    def loss(self, log_prob, old_log_prob, advantages):
        ratio, radius = (log_prob - old_log_prob).exp(), self.clip_param * self.remaining
        return torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - radius, 1 + radius)).mean()


def fixed_baseline(log_probs, rewards, running_baseline=0.2):
    """REINFORCE with a running mean of the rewards."""
    return -(log_probs * (rewards.detach() - running_baseline)).mean()


def better_half(log_prob, advantages, eta=1.0):
    """V-MPO: the better half of the batch, weighted by a softmax."""
    best, places = torch.topk(advantages, max(len(advantages) // 2, 1))
    return -((best / eta).softmax(0).detach() * log_prob[places]).sum()


def smoothed_towards_uniform(logits, actions, old_logprobs, advantages, clip_eps=0.2, smoothing=0.05):
    """The cross entropy of the uniform policy is added, not subtracted."""
    every = logits.log_softmax(-1)
    ratio = (every.gather(-1, actions.unsqueeze(-1)).squeeze(-1) - old_logprobs).exp()
    policy = torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - clip_eps, 1 + clip_eps)).mean()
    return policy - smoothing * every.mean(-1).mean()


def clip_around_a_proximal_policy(logp, ref_logp, old_logp, adv, clip_range=0.2):
    """The clip holds the ratio to a slow copy of the policy, the samples are older."""
    unclipped = -adv * (logp - old_logp).exp()
    clipped = -adv * (ref_logp - old_logp).exp() * (logp - ref_logp).exp().clamp(1 - clip_range, 1 + clip_range)
    return torch.max(unclipped, clipped).mean()


def spreads_beside_an_entropy(
    log_prob, old_log_prob, advantages, entropy, mu, sigma, old_mu, old_sigma, clip=0.2, entropy_coef=0.01
):
    """rsl_rl: the Gaussians are there for the KL that sets the step, and the entropy is given."""
    with torch.inference_mode():
        kl = torch.log(sigma / old_sigma) + (old_sigma**2 + (old_mu - mu) ** 2) / (2.0 * sigma**2) - 0.5
        kl.sum(-1).mean()
    ratio = (log_prob - old_log_prob).exp()
    policy = torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)).mean()
    return policy - entropy_coef * entropy.mean()


def score_weighed_by_a_constant_ratio(old_log_probs, log_probs, advantages, response_mask):
    """CISPO: the log-prob meets its advantage first, and then the detached weight."""
    weights = (log_probs - old_log_probs).clamp(-1.6, 1.6).exp()
    losses = -advantages * log_probs * weights.detach()
    return (losses * response_mask).sum() / (response_mask.sum() + 1e-8)


def weights_for_a_mask(log_prob, old_log_prob, advantages, loss_weights, clip_eps=0.2):
    """What keeps a token is the weight that it has in the sum."""
    ratio = (log_prob - old_log_prob.detach()).clamp(-20, 20).exp()
    losses = torch.maximum(-ratio * advantages, -ratio.clamp(1 - clip_eps, 1 + clip_eps) * advantages)
    return (losses * loss_weights.to(losses.dtype)).sum()
