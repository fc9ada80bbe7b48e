"""A hand-written autograd function for the ratio, its backward made of the saved output."""

import torch


class ExpRatio(torch.autograd.Function):
    @staticmethod
    def forward(ctx, log_prob, old_log_prob):
        ratio = torch.exp(log_prob - old_log_prob)
        ctx.save_for_backward(ratio)
        return ratio

    @staticmethod
    def backward(ctx, grad_output):
        (ratio,) = ctx.saved_tensors
        grad = grad_output * ratio
        return grad, -grad


def loss(log_prob, old_log_prob, advantages, clip_eps=0.2):
    ratio = ExpRatio.apply(log_prob, old_log_prob)
    clipped = ratio.clamp(1 - clip_eps, 1 + clip_eps)
    return torch.max(-advantages * ratio, -advantages * clipped).mean()
