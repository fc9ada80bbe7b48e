"""What is recorded of a loss does not grow with the rollout before it, and once enough was seen nothing is."""

import pytest
import torch
from torch.distributions import Categorical
from torch.overrides import _get_current_function_mode_stack as modes

from ppo_audit import record
from ppo_audit.recording.history import History
from ppo_audit.recording.trace import Recorder

ROWS = 64


def loss_after(rollout):
    """The loss of a minibatch whose data a rollout wrote step by step."""
    policy = torch.nn.Linear(3, 4)
    observations, actions, old = torch.zeros(ROWS, 3), torch.zeros(ROWS, dtype=torch.long), torch.zeros(ROWS)
    for step in range(rollout):
        with torch.no_grad():
            observations[step % ROWS] = torch.randn(3)
            behaviour = Categorical(logits=policy(observations[step % ROWS]))
            actions[step % ROWS] = behaviour.sample()
            old[step % ROWS] = behaviour.log_prob(actions[step % ROWS])
    ratio = (Categorical(logits=policy(observations)).log_prob(actions) - old).exp()
    return -(ratio * torch.randn(ROWS)).mean()


def sliced(rollout):
    """The operations of that loss, and how many were recorded in all."""
    recorder = Recorder()
    with recorder:
        loss = loss_after(rollout)
    history = History(recorder.trace)
    return history.slice(recorder.trace.value_of(loss), 0), len(recorder.trace.ops)


def test_the_slice_of_a_loss_does_not_grow_with_its_rollout():
    (short, before), (long, after) = sliced(1), sliced(50)
    assert after > 10 * before
    assert [op.name for op in long.ops] == [op.name for op in short.ops]


def test_a_slice_says_of_its_tensors_which_is_current():
    trace, _ = sliced(3)
    known = {number: trace.tensors[number] for number in trace.current.values()}
    assert all(trace.find(tensor) == number for number, tensor in known.items())
    assert trace.ops[-1].outputs[0] in known


def test_the_number_that_a_tensor_had_before_a_write_in_the_loss_is_kept():
    recorder = Recorder()
    with recorder:
        surrogate = torch.randn(4, requires_grad=True) * 2
        surrogate.mul_(3)
        loss = surrogate.sum()
    history = History(recorder.trace)
    trace = history.slice(recorder.trace.value_of(loss), 0)
    assert [op.name for op in trace.ops] == ["mul", "mul_", "sum"]
    assert [id(trace.tensors[op.outputs[0]]) == id(surrogate) for op in trace.ops] == [True, True, False]


@pytest.mark.parametrize("gone_on", [3, 300])
def test_once_enough_was_seen_the_recorder_leaves_the_target_alone(gone_on):
    policy = torch.nn.Linear(3, 4)
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
    observations, advantages = torch.randn(8, 3), torch.randn(8)
    actions = torch.randint(4, (8,))
    old = Categorical(logits=policy(observations)).log_prob(actions).detach()
    backward = torch.autograd.backward
    with record() as session:
        for _ in range(gone_on):
            ratio = (Categorical(logits=policy(observations)).log_prob(actions) - old).exp()
            optimizer.zero_grad()
            (-torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()).backward()
            optimizer.step()
        still = (session.recorder in modes(), torch.autograd.backward is not backward)
    assert still == ((True, True) if gone_on == 3 else (False, False))
    assert session.recorder not in modes()
    assert torch.autograd.backward is backward
