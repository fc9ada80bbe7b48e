"""torchrl's ClipPPOLoss in the loop that its tutorial shows, as installed: two minibatches, two epochs."""

from __future__ import annotations

from functools import partial
from typing import Any

from ppo_audit.recipes import Variant
from ppo_audit.recipes.tasks import repeat_the_point

STEPS, EPOCHS = 64, 2


def clip_ppo() -> tuple[Variant, ...]:
    """The library's defaults; and the quadratic value loss, clipped, with advantages that the loss normalises."""
    other = {"clip_value": 0.2, "loss_critic_type": "l2", "normalize_advantage": True}
    return (
        Variant("default", train),
        Variant("clip_value=0.2, loss_critic_type=l2, normalize_advantage", partial(train, **other)),
    )


def train(**settings: Any) -> None:
    """One rollout and one update; `settings` are those of the loss that differ from the library's defaults."""
    import torch
    from torchrl.envs import GymWrapper
    from torchrl.objectives import ClipPPOLoss
    from torchrl.objectives.value import GAE

    torch.manual_seed(0)
    policy, value = models()
    env = GymWrapper(repeat_the_point())
    env.set_seed(0)
    loss = ClipPPOLoss(policy, value, **settings)
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-3)
    with torch.no_grad():
        steps = env.rollout(STEPS, policy, break_when_any_done=False)
        GAE(gamma=0.99, lmbda=0.95, value_network=value)(steps)
    for _ in range(EPOCHS):
        for indices in torch.randperm(STEPS).split(STEPS // 2):
            losses = loss(steps[indices])
            total = losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]
            optimizer.zero_grad()
            total.backward()
            optimizer.step()


def models() -> tuple[Any, Any]:
    """A Gaussian policy and a value network, one layer each."""
    import torch
    from tensordict.nn import TensorDictModule
    from tensordict.nn.distributions import NormalParamExtractor
    from torchrl.modules import IndependentNormal, ProbabilisticActor, ValueOperator

    network = torch.nn.Sequential(torch.nn.Linear(2, 4), NormalParamExtractor())
    policy = ProbabilisticActor(
        TensorDictModule(network, in_keys=["observation"], out_keys=["loc", "scale"]),
        in_keys=["loc", "scale"],
        distribution_class=IndependentNormal,
        return_log_prob=True,
    )
    return policy, ValueOperator(torch.nn.Linear(2, 1), in_keys=["observation"])
