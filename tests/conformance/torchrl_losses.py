"""torchrl's PPO losses as installed, on a small policy and critic: what `--inputs` of a TensorDict loss looks like."""

import torch
from tensordict import TensorDict
from tensordict.nn import (
    NormalParamExtractor,
    ProbabilisticTensorDictModule,
    ProbabilisticTensorDictSequential,
    TensorDictModule,
)
from torch.distributions import Independent, Normal
from torchrl.objectives import ClipPPOLoss, KLPENPPOLoss

SAMPLES = 16


class IndependentNormal(Independent):
    """A diagonal Gaussian."""

    def __init__(self, loc, scale):
        super().__init__(Normal(loc, scale), 1)


def parts():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), NormalParamExtractor())
    actor = ProbabilisticTensorDictSequential(
        TensorDictModule(network, ["observation"], ["loc", "scale"]),
        ProbabilisticTensorDictModule(
            ["loc", "scale"], ["action"], distribution_class=IndependentNormal, return_log_prob=True
        ),
    )
    critic = TensorDictModule(torch.nn.Linear(3, 1), ["observation"], ["state_value"])
    return actor, critic


def batch(actor):
    data = TensorDict({"observation": torch.randn(SAMPLES, 3)}, [SAMPLES])
    with torch.no_grad():
        data = actor(data)
    data["action_log_prob"] = data["action_log_prob"] + 0.05 * torch.randn(SAMPLES)
    data["advantage"] = torch.randn(SAMPLES, 1)
    data["value_target"] = torch.randn(SAMPLES, 1)
    return data.detach()


ACTOR, CRITIC = parts()
clip_ppo = ClipPPOLoss(ACTOR, CRITIC)
kl_penalty = KLPENPPOLoss(ACTOR, CRITIC)


def make_inputs():
    return (batch(ACTOR),)
