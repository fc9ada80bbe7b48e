"""A factory closes over the settings, JAX fashion; the module's loss is what it returns."""

import torch


def make_loss(clip_eps=0.2, vf_coef=0.5, ent_coef=0.01):
    def clipped_value_error(value, old_value, target):
        near = old_value + (value - old_value).clamp(-clip_eps, clip_eps)
        return torch.max((value - target) ** 2, (near - target) ** 2)

    def ppo_loss(log_prob, old_log_prob, gae, value, old_value, targets, entropy):
        ratio = torch.exp(log_prob - old_log_prob)
        gae = (gae - gae.mean()) / (gae.std(correction=0) + 1e-8)
        loss_actor = -torch.min(ratio * gae, ratio.clamp(1.0 - clip_eps, 1.0 + clip_eps) * gae).mean()
        value_loss = 0.5 * clipped_value_error(value, old_value, targets).mean()
        return loss_actor + vf_coef * value_loss - ent_coef * entropy.mean()

    return ppo_loss


loss = make_loss()
