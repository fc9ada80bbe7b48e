"""CleanRL's minibatch block as a function: negated terms, their maximum, value clip with the policy's epsilon."""

import torch


def loss(
    newlogprob,
    b_logprobs,
    b_advantages,
    newvalue,
    b_values,
    b_returns,
    entropy,
    clip_coef=0.2,
    ent_coef=0.01,
    vf_coef=0.5,
):
    logratio = newlogprob - b_logprobs
    ratio = logratio.exp()

    mb_advantages = (b_advantages - b_advantages.mean()) / (b_advantages.std() + 1e-8)

    pg_loss1 = -mb_advantages * ratio
    pg_loss2 = -mb_advantages * torch.clamp(ratio, 1 - clip_coef, 1 + clip_coef)
    pg_loss = torch.max(pg_loss1, pg_loss2).mean()

    newvalue = newvalue.view(-1)
    v_loss_unclipped = (newvalue - b_returns) ** 2
    v_clipped = b_values + torch.clamp(newvalue - b_values, -clip_coef, clip_coef)
    v_loss_clipped = (v_clipped - b_returns) ** 2
    v_loss = 0.5 * torch.max(v_loss_unclipped, v_loss_clipped).mean()

    entropy_loss = entropy.mean()
    total = pg_loss - ent_coef * entropy_loss + v_loss * vf_coef
    return total, pg_loss.detach(), v_loss.detach(), entropy_loss.detach()
