"""skrl's PPO, as installed: one rollout of four environments' steps, two minibatches, two epochs."""

from __future__ import annotations

from functools import partial
from typing import Any

from ppo_audit.recipes import Variant
from ppo_audit.recipes.tasks import repeat_the_point

STEPS = 64
WITHOUT_FILES = {"write_interval": 0, "checkpoint_interval": 0}


def ppo() -> tuple[Variant, ...]:
    """The library's defaults; and the entropy term, which is off by default, with a value loss that is not clipped."""
    return (
        Variant("default", train),
        Variant("entropy_loss_scale=0.01, value_clip=0", partial(train, entropy_loss_scale=0.01, value_clip=0)),
    )


def train(**settings: Any) -> None:
    """One rollout and one update; `settings` are those of PPO that differ from the library's defaults."""
    from skrl.agents.torch.ppo import PPO
    from skrl.envs.wrappers.torch import wrap_env
    from skrl.memories.torch import RandomMemory
    from skrl.trainers.torch import SequentialTrainer
    from skrl.utils import set_seed

    set_seed(0)
    env = wrap_env(repeat_the_point(), wrapper="gymnasium", verbose=False)
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": "cpu"}
    agent = PPO(
        models=models(**spaces),
        memory=RandomMemory(memory_size=STEPS, num_envs=1, device="cpu"),
        cfg={"rollouts": STEPS, "learning_epochs": 2, "experiment": WITHOUT_FILES, **settings},
        **spaces,
    )
    quiet = {"headless": True, "disable_progressbar": True, "close_environment_at_exit": False}
    SequentialTrainer(env=env, agents=agent, cfg={"timesteps": STEPS, **quiet}).train()


def models(**spaces: Any) -> dict[str, Any]:
    """A Gaussian policy and a value network, one layer each."""
    import torch
    from skrl.models.torch import DeterministicMixin, GaussianMixin, Model

    class Policy(GaussianMixin, Model):  # type: ignore[misc]
        def __init__(self, **spaces: Any) -> None:
            Model.__init__(self, **spaces)
            GaussianMixin.__init__(self)
            self.mean = torch.nn.Linear(self.num_observations, self.num_actions)
            self.log_std = torch.nn.Parameter(torch.zeros(self.num_actions))

        def compute(self, inputs: Any, role: str) -> Any:
            return self.mean(inputs["observations"]), {"log_std": self.log_std}

    class Value(DeterministicMixin, Model):  # type: ignore[misc]
        def __init__(self, **spaces: Any) -> None:
            Model.__init__(self, **spaces)
            DeterministicMixin.__init__(self)
            self.net = torch.nn.Linear(self.num_observations, 1)

        def compute(self, inputs: Any, role: str) -> Any:
            return self.net(inputs["observations"]), {}

    return {"policy": Policy(**spaces), "value": Value(**spaces)}
