"""tianshou's PPO under its own trainer, as installed: two minibatches, two epochs."""

from __future__ import annotations

from functools import partial
from typing import Any

from ppo_audit.recipes import Variant
from ppo_audit.recipes.tasks import repeat_the_point

STEPS = 64


def ppo() -> tuple[Variant, ...]:
    """The library's defaults; and the dual clip with the value clip, which are off by default."""
    return (
        Variant("default", train),
        Variant("dual_clip=3, value_clip", partial(train, dual_clip=3.0, value_clip=True)),
    )


def train(**settings: Any) -> None:
    """One rollout and one update; `settings` are those of PPO that differ from the library's defaults."""
    import torch
    from tianshou.algorithm import PPO
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from tianshou.trainer import OnPolicyTrainerParams

    torch.manual_seed(0)
    task = repeat_the_point()
    policy, critic = models(task)
    algorithm = PPO(policy=policy, critic=critic, optim=AdamOptimizerFactory(lr=1e-3), **settings)
    environments = DummyVectorEnv([repeat_the_point])
    environments.seed(0)
    parameters = OnPolicyTrainerParams(
        training_collector=Collector(algorithm, environments, VectorReplayBuffer(STEPS, 1)),
        max_epochs=1,
        epoch_num_steps=STEPS,
        collection_step_num_env_steps=STEPS,
        update_step_num_repetitions=2,
        batch_size=STEPS // 2,
        test_step_num_episodes=0,
        test_collector=None,
        verbose=False,
        show_progress=False,
    )
    algorithm.run_training(parameters)


def models(task: Any) -> tuple[Any, Any]:
    """A Gaussian policy and a value network, one hidden layer each."""
    from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
    from tianshou.utils.net.common import Net
    from tianshou.utils.net.continuous import ContinuousActorProbabilistic, ContinuousCritic
    from torch.distributions import Independent, Normal

    def network() -> Any:
        return Net(state_shape=task.observation_space.shape, hidden_sizes=[16])

    actor = ContinuousActorProbabilistic(preprocess_net=network(), action_shape=task.action_space.shape, unbounded=True)
    gaussian = lambda loc_scale: Independent(Normal(*loc_scale), 1)
    policy = ProbabilisticActorPolicy(actor=actor, dist_fn=gaussian, action_space=task.action_space)
    return policy, ContinuousCritic(preprocess_net=network())
