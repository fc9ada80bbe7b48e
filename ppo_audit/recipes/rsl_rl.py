"""rsl_rl's PPO under its own runner, as installed: four environments, two minibatches, two epochs."""

from __future__ import annotations

from functools import partial
from typing import Any

from ppo_audit.recipes import Variant
from ppo_audit.recipes.tasks import EPISODE_LENGTH

ENVIRONMENTS, STEPS = 4, 24
NETWORK = {"class_name": "MLPModel", "hidden_dims": [16], "activation": "elu"}
POLICY = {"distribution_cfg": {"class_name": "GaussianDistribution", "init_std": 1.0, "std_type": "scalar"}}
ALGORITHM = {"class_name": "PPO", "num_learning_epochs": 2, "num_mini_batches": 2}


def ppo() -> tuple[Variant, ...]:
    """The library's defaults; and advantages normalised in each minibatch, with a value loss that is not clipped."""
    other = {"normalize_advantage_per_mini_batch": True, "use_clipped_value_loss": False}
    return (
        Variant("default", train),
        Variant("normalize_advantage_per_mini_batch, use_clipped_value_loss=False", partial(train, **other)),
    )


def train(**settings: Any) -> None:
    """One rollout and one update; `settings` are those of PPO that differ from the library's defaults."""
    import torch
    from rsl_rl.runners import OnPolicyRunner

    torch.manual_seed(0)
    configuration = {
        "num_steps_per_env": STEPS,
        "save_interval": 1,
        "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
        "algorithm": ALGORITHM | settings,
        "actor": NETWORK | POLICY,
        "critic": dict(NETWORK),
    }
    OnPolicyRunner(repeat_the_points(), configuration, log_dir=None, device="cpu").learn(1)


def repeat_the_points() -> Any:
    """The task of `repeat_the_point` in the library's form, which knows batches of environments only."""
    import torch
    from rsl_rl.env import VecEnv
    from tensordict import TensorDict

    class RepeatThePoints(VecEnv):  # type: ignore[misc]
        num_envs, num_actions, max_episode_length = ENVIRONMENTS, 2, EPISODE_LENGTH
        device = "cpu"
        cfg: dict[str, Any] = {}  # noqa: RUF012

        def __init__(self) -> None:
            self.episode_length_buf = torch.zeros(ENVIRONMENTS, dtype=torch.long)
            self.points = torch.rand(ENVIRONMENTS, 2) * 2 - 1

        def get_observations(self) -> Any:
            return TensorDict({"policy": self.points.clone()}, batch_size=[ENVIRONMENTS])

        def step(self, actions: torch.Tensor) -> Any:
            rewards = -(actions - self.points).square().sum(-1)
            self.points = torch.rand(ENVIRONMENTS, 2) * 2 - 1
            self.episode_length_buf += 1
            ended = self.episode_length_buf >= EPISODE_LENGTH
            self.episode_length_buf[ended] = 0
            return self.get_observations(), rewards, ended, {"time_outs": ended}

    return RepeatThePoints()
