"""Command-line style: hyper-parameters in an argparse namespace, switches read inside."""

import argparse

import torch

DEFAULT_ARGS = argparse.Namespace(clip_coef=0.1, ent_coef=0.01, vf_coef=0.5, norm_adv=False, clip_vloss=True)


def loss(newlogprob, oldlogprob, advantages, newvalue, oldvalue, returns, entropy, args=DEFAULT_ARGS):
    ratio = (newlogprob - oldlogprob).exp()
    if args.norm_adv and advantages.shape[0] > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)

    pg_loss = torch.max(
        -advantages * ratio,
        -advantages * ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef),
    ).mean()

    v_err = (newvalue - returns).square()
    if args.clip_vloss:
        v_near = oldvalue + (newvalue - oldvalue).clamp(-args.clip_coef, args.clip_coef)
        v_err = torch.max(v_err, (v_near - returns).square())
    v_loss = 0.5 * v_err.mean()
    return pg_loss + args.vf_coef * v_loss - args.ent_coef * entropy.mean()
