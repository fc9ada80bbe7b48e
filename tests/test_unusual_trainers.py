"""Shapes that whole training scripts of others have: what is right in them stays silent, and is not declined."""

import numpy as np
import pytest
import torch
from torch.distributions import Categorical

from ppo_audit import audit, record
from ppo_audit.errors import UsageError
from ppo_audit.settings import Settings, rule_codes
from ppo_audit.trainer import lift

ROWS = 8


def training(update, rollouts=2, epochs=4):
    """Rollouts of a few samples, each used for several epochs by `update(networks, optimizers, data)`."""

    def start():
        torch.manual_seed(0)
        actor, critic = torch.nn.Linear(3, 4), torch.nn.Linear(3, 1)
        optimizers = [torch.optim.SGD(network.parameters(), lr=0.1) for network in (actor, critic)]
        for _ in range(rollouts):
            observations, rewards = torch.randn(ROWS, 3), torch.randn(ROWS, 1)
            with torch.no_grad():
                policy = Categorical(logits=actor(observations))
                actions = policy.sample()
                old = policy.log_prob(actions)
            data = (observations, actions, old, rewards)
            update((actor, critic), optimizers, data, epochs)

    return start


def found(update, *rules, **sizes):
    """The findings of a few rules, severity and code."""
    with record() as recording:
        training(update, **sizes)()
    (entry, *_) = audit(recording, Settings(select=rule_codes(rules))).targets
    assert entry.error is None
    assert all(outcome.status.name != "ERRORED" for outcome in entry.outcomes)
    return {(finding.severity.label, finding.rule) for finding in entry.findings}, entry


def optimise(loss, optimizers):
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()


def surrogate(actor, data, advantage):
    observations, actions, old, _ = data
    policy = Categorical(logits=actor(observations))
    log_ratio = (policy.log_prob(actions) - old).clamp(-10, 10)
    ratio = log_ratio.exp().unsqueeze(-1)
    return -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage), policy.entropy()


def policy_gradient(sign):
    """A2C: one update a rollout, no ratio."""

    def update(networks, optimizers, data, epochs):
        (actor, critic), (observations, actions, _, rewards) = networks, data
        value, returns, policy = (
            critic(observations).squeeze(-1),
            rewards.squeeze(-1),
            Categorical(logits=actor(observations)),
        )
        advantage = (returns - value).detach()
        loss = sign * (policy.log_prob(actions) * advantage).mean() - 0.01 * policy.entropy().mean()
        optimise(loss + 0.5 * (value - returns).square().mean(), optimizers)

    return update


def test_a_policy_gradient_without_a_ratio_is_judged_by_the_log_prob_of_its_distribution():
    findings, entry = found(policy_gradient(-1), "PPO1", "PPO3", "PPO4", "PPO5", "PPO9")
    assert findings == set()
    assert {"log_prob", "advantage", "entropy", "value", "return_"} <= entry.roles.keys()
    assert "log_prob()" in entry.roles["log_prob"]


def test_a_policy_gradient_of_the_wrong_sign_is_found():
    findings, _ = found(policy_gradient(1), "PPO104")
    assert findings == {("critical", "PPO104")}


def groups(networks, optimizers, data, epochs):
    """GRPO of whole rollouts: one call of the policy for each, with a single number for its advantage."""
    observations, actions, old, rewards = data
    for _ in range(epochs):
        total = 0
        for part in range(2):
            rows = slice(4 * part, 4 * part + 4)
            advantage = rewards[part]
            share = (observations[rows], actions[rows], old[rows], rewards)
            total = total + surrogate(networks[0], share, advantage.expand(4, 1))[0].mean()
        optimise(total / 2, optimizers[:1])


def test_the_log_probs_of_another_group_are_no_values():
    with pytest.raises(UsageError, match="on a path that was not followed"):
        lift("groups", training(groups), 0)


def normalising(guarded):
    def update(networks, optimizers, data, epochs):
        for _ in range(epochs):
            advantage = data[3].clone()
            if not guarded or not np.isnan(advantage.std()):
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-5)
            optimise(surrogate(networks[0], data, advantage)[0].mean(), optimizers[:1])

    return update


@pytest.mark.parametrize(("guarded", "expected"), [(True, set()), (False, {("serious", "PPO202")})])
def test_code_that_looks_at_the_spread_before_it_divides_is_not_judged_where_it_would_not(guarded, expected):
    assert found(normalising(guarded), "PPO202")[0] == expected


def beside_entropies(weigh):
    """A column of losses beside a vector of entropies."""

    def update(networks, optimizers, data, epochs):
        for _ in range(epochs):
            column, entropy = surrogate(networks[0], data, data[3])
            optimise(weigh(column, entropy).mean(), optimizers[:1])

    return update


@pytest.mark.parametrize(
    ("weigh", "severity"),
    [
        (lambda column, entropy: column - 0.01 * entropy, "potential"),
        (lambda column, entropy: column * entropy, "critical"),
    ],
    ids=["added", "multiplied"],
)
def test_pairs_that_are_only_added_and_averaged_are_no_more_than_a_hazard(weigh, severity):
    assert found(beside_entropies(weigh), "PPO508")[0] == {(severity, "PPO508")}


def without_signal(networks, optimizers, data, epochs):
    """All rewards alike: no advantage, and no gradient that anybody cleared."""
    for epoch in range(epochs):
        advantage = torch.zeros_like(data[3]) if epoch == 1 else data[3]
        optimise(surrogate(networks[0], data, advantage)[0].mean(), optimizers[:1])


def test_a_gradient_that_is_zero_by_itself_was_not_cleared():
    assert found(without_signal, "PPO907")[0] == set()


def normalised_before_the_epochs(networks, optimizers, data, epochs):
    observations, rewards = data[0], data[3]
    advantage = rewards - networks[1](observations).detach()
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-10)
    for _ in range(epochs):
        optimise(surrogate(networks[0], data, advantage)[0].mean(), optimizers[:1])
        optimise((networks[1](observations) - rewards).square().mean(), optimizers[1:])


def test_advantages_normalised_before_many_epochs_are_followed_in_each_of_them():
    _, entry = found(normalised_before_the_epochs, "PPO102", epochs=40)
    assert {"log_prob", "old_log_prob", "advantage"} <= entry.roles.keys()
