"""The recorder: what it keeps of a run, and what an intervention does to one."""

import torch

from ppo_audit.recording.graph import backward_slice, dependencies
from ppo_audit.recording.trace import Recorder


def two_calls_on_one_line(x, y):
    return torch.max(x, y) + torch.max(x, -y)


def record(function, *inputs, interventions=None):
    recorder = Recorder(interventions)
    with recorder:
        out = function(*inputs)
    return recorder.trace, out


def test_every_operation_knows_the_columns_that_asked_for_it():
    trace, _ = record(two_calls_on_one_line, torch.ones(2), torch.zeros(2))
    calls = [op for op in trace.ops if op.name == "max"]
    assert len({op.site.line for op in calls}) == 1
    assert len({op.site.column for op in calls}) == 2


def test_an_intervention_replaces_one_call_and_only_that():
    x, y = torch.tensor([1.0]), torch.tensor([3.0])
    trace, _ = record(two_calls_on_one_line, x, y)
    first = next(op for op in trace.ops if op.name == "max")
    _, changed = record(two_calls_on_one_line, x, y, interventions={first.key: lambda f, a, k: torch.min(*a)})
    assert changed.item() == 1.0 + 1.0


def test_a_write_in_place_makes_a_new_value_of_the_tensor_and_of_its_views():
    def write(x):
        view = x[:1]
        x.add_(1.0)
        return view * 2

    x = torch.zeros(2)
    trace, out = record(write, x)
    number = trace.value_of(x)
    assert number != next(n for n, tensor in enumerate(trace.tensors) if tensor is x)
    names = [op.name for op in backward_slice(trace, [trace.value_of(out)])]
    assert "add_" in names


def test_a_read_of_a_shape_by_the_target_is_noted_with_its_line():
    def guarded(x):
        return x / x.std() if len(x) > 1 else x

    trace, _ = record(guarded, torch.arange(3.0))
    assert [(read.name, read.site.line) for read in trace.reads] == [("__len__", guarded.__code__.co_firstlineno + 1)]


def test_operations_inside_a_distribution_are_placed_at_the_line_that_called_it():
    def entropy(mean):
        return torch.distributions.Normal(mean, 1.0, validate_args=False).entropy().sum()

    trace, _ = record(entropy, torch.zeros(2))
    assert {op.via for op in trace.ops} >= {"entropy"}
    assert {op.site.function.rpartition(".")[2] for op in trace.ops} == {"entropy"}


def test_dependencies_run_through_detach():
    trace, out = record(lambda x, y: x * y.detach(), torch.ones(2), torch.ones(2))
    leaves = {"x": 0, "y": 1}
    assert dependencies(trace, leaves)[trace.value_of(out)] >= {"y"}
