"""openai/baselines ppo2 in torch: negative log-probs, population standard deviation, one epsilon for both clips."""

import torch


def loss(neglogpac, oldneglogpac, adv, vpred, oldvpred, returns, entropy, cliprange=0.2, ent_coef=0.01, vf_coef=0.5):
    advs = (adv - adv.mean()) / (adv.std(unbiased=False) + 1e-8)

    vpredclipped = oldvpred + torch.clamp(vpred - oldvpred, -cliprange, cliprange)
    vf_losses1 = torch.square(vpred - returns)
    vf_losses2 = torch.square(vpredclipped - returns)
    vf_loss = 0.5 * torch.mean(torch.maximum(vf_losses1, vf_losses2))

    ratio = torch.exp(oldneglogpac - neglogpac)
    pg_losses = -advs * ratio
    pg_losses2 = -advs * torch.clamp(ratio, 1.0 - cliprange, 1.0 + cliprange)
    pg_loss = torch.mean(torch.maximum(pg_losses, pg_losses2))

    approxkl = 0.5 * torch.mean(torch.square(neglogpac - oldneglogpac))
    clipfrac = torch.mean((torch.abs(ratio - 1.0) > cliprange).float())
    total = pg_loss - torch.mean(entropy) * ent_coef + vf_loss * vf_coef
    return total, approxkl.detach(), clipfrac.detach()
