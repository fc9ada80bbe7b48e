"""The worked example as users point at targets: a file and an attribute."""

from ppo_audit.demo.distributional_ppo import approximate_kl, compute_advantages, loss, normalise_advantages

__all__ = ["approximate_kl", "compute_advantages", "loss", "normalise_advantages"]
