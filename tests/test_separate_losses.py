"""Trainers whose update calls `backward` more than once: each loss is lifted, and the policy's is never left out."""

import pytest
import torch

from ppo_audit import audit, record
from ppo_audit.errors import UsageError
from ppo_audit.trainer import lift, lift_all


def training(update, steps=4):
    """Four updates of an actor and a critic by `update(actor, critic, optimizers, data)`."""

    def start():
        torch.manual_seed(0)
        actor, critic = torch.nn.Linear(3, 4), torch.nn.Linear(3, 1)
        optimizers = [torch.optim.SGD(network.parameters(), lr=0.1) for network in (actor, critic)]
        observations, advantage, returns = torch.randn(8, 3), torch.randn(8), torch.randn(8)
        actions = torch.randint(4, (8,))
        old = log_probs(actor, observations, actions).detach()
        for _ in range(steps):
            update(actor, critic, optimizers, (observations, actions, old, advantage, returns))

    return start


def log_probs(actor, observations, actions):
    return torch.distributions.Categorical(logits=actor(observations)).log_prob(actions)


def policy_loss(actor, data):
    observations, actions, old, advantage, _ = data
    ratio = (log_probs(actor, observations, actions) - old).exp()
    return -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()


def value_loss(critic, data):
    return 0.5 * (critic(data[0]).squeeze(-1) - data[4]).square().mean()


def optimise(loss, optimizer):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def actor_then_critic(actor, critic, optimizers, data):
    optimise(policy_loss(actor, data), optimizers[0])
    optimise(value_loss(critic, data), optimizers[1])


def critic_then_actor(actor, critic, optimizers, data):
    optimise(value_loss(critic, data), optimizers[1])
    optimise(policy_loss(actor, data), optimizers[0])


def both_computed_first(actor, critic, optimizers, data):
    losses = policy_loss(actor, data), value_loss(critic, data)
    for loss, optimizer in zip(losses, optimizers, strict=True):
        optimise(loss, optimizer)


def many_policy_steps_first(actor, critic, optimizers, data):
    for _ in range(20):
        optimise(policy_loss(actor, data), optimizers[0])
    for _ in range(20):
        optimise(value_loss(critic, data), optimizers[1])


@pytest.mark.parametrize("update", [actor_then_critic, critic_then_actor, both_computed_first, many_policy_steps_first])
def test_an_actor_and_a_critic_are_two_subjects_of_one_run_the_actor_first(update):
    (_, policy), (_, value) = lift_all("separate", training(update), seed=0)
    assert policy.available == {"log_prob", "old_log_prob", "advantage"}
    assert policy.profile.clip == pytest.approx((0.8, 1.2), abs=1e-5)
    assert value.available == {"value", "return_"}
    assert value.anatomy.coefficients == pytest.approx({"value": 0.5})
    assert policy.not_covered == ()


def test_two_losses_of_one_call_are_their_sum():
    def update(actor, critic, optimizers, data):
        torch.autograd.backward([policy_loss(actor, data), value_loss(critic, data)])
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    subject = lift("at once", training(update), seed=0)
    assert subject.anatomy.coefficients == pytest.approx({"policy": -1.0, "value": 0.5})


def test_gradients_computed_by_hand_are_lifted():
    def update(actor, critic, optimizers, data):
        parameters = list(actor.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(policy_loss(actor, data), parameters), strict=True
        ):
            parameter.grad = gradient
        optimizers[0].step()

    assert lift("by hand", training(update), seed=0).profile.clip == pytest.approx((0.8, 1.2), abs=1e-5)


def test_a_gradient_given_to_backward_weighs_the_loss():
    def update(actor, critic, optimizers, data):
        policy_loss(actor, data).backward(torch.tensor(-0.5))
        optimizers[0].step()

    assert lift("weighted", training(update), seed=0).anatomy.coefficients == pytest.approx({"policy": 0.5})


def test_an_accumulated_loss_is_lifted_with_its_share():
    def update(actor, critic, optimizers, data):
        for half in (slice(0, 4), slice(4, 8)):
            part = tuple(tensor[half] for tensor in data)
            (policy_loss(actor, part) / 2).backward()
        optimizers[0].step()
        optimizers[0].zero_grad()

    assert lift("accumulated", training(update), seed=0).anatomy.coefficients == pytest.approx({"policy": -0.5})


def test_a_loss_that_is_no_ppo_loss_is_named_as_not_covered():
    def update(actor, critic, optimizers, data):
        optimise(policy_loss(actor, data), optimizers[0])
        optimise(critic(data[0]).square().mean() * critic.weight.sum(), optimizers[1])

    subject = lift("with another loss", training(update), seed=0)
    assert any("test_separate_losses.py" in reason and "ratio" in reason for reason in subject.not_covered)


def test_a_loss_that_could_not_be_followed_once_is_declined_though_later_minibatches_could():
    calls = []

    def update(actor, critic, optimizers, data):
        calls.append(1)
        loss = policy_loss(actor, data)
        around = actor.weight.square().sum() if len(calls) == 1 else torch.zeros(())
        optimise(loss + around, optimizers[0])

    with pytest.raises(UsageError, match="path that was not followed"):
        lift("declined at first", training(update), seed=0)


def test_an_operation_that_cannot_be_replayed_is_named_with_its_line():
    def update(actor, critic, optimizers, data):
        loss = policy_loss(actor, data)
        (slope,) = torch.autograd.grad(loss, actor.weight, create_graph=True)
        optimise(loss + slope.square().sum(), optimizers[0])

    with pytest.raises(UsageError, match=r"recorded, but .*(test_separate_losses\.py:\d+|path that was not followed)"):
        lift("penalty", training(update), seed=0)


def test_a_run_that_raises_after_its_first_losses_is_judged_by_them():
    def update(actor, critic, optimizers, data):
        optimise(policy_loss(actor, data), optimizers[0])
        raise RuntimeError("out of data")

    assert lift("crashed", training(update), seed=0).profile.clip == pytest.approx((0.8, 1.2), abs=1e-5)


def test_a_recorded_block_runs_to_its_end_and_is_audited():
    updates = []

    def update(actor, critic, optimizers, data):
        updates.append(1)
        actor_then_critic(actor, critic, optimizers, data)

    with record() as recording:
        training(update, steps=9)()
    report = audit(recording)
    assert len(updates) == 9
    assert {finding.rule for finding in report.findings} == {"PPO101"}


def test_a_recorded_block_without_a_backward_pass_is_answered_with_the_reason():
    with record() as recording:
        torch.zeros(3).sum()
    (entry,) = audit(recording).targets
    assert (entry.exit_code, "never called `backward`" in entry.error) == (2, True)
