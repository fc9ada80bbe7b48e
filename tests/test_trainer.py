"""Lifting: a script, a library trainer and a loss with a model become measurable, or are declined with the reason."""

from pathlib import Path

import pytest
import torch

from ppo_audit.errors import UsageError
from ppo_audit.recording.session import record
from ppo_audit.settings import Settings
from ppo_audit.subjects.replayed import replay
from ppo_audit.trainer import lift, trainer_variants, verified_program

SCRIPT = Path(__file__).parent / "targets" / "cleanrl_manner.py"


@pytest.fixture(scope="module")
def script_subject():
    ((_, subject),) = trainer_variants(str(SCRIPT), Settings())
    return subject


def small_training(loss_of, steps=3):
    """A trainer in a few lines: `loss_of(new, old, advantage)` on the log-probs of a small policy."""

    def start():
        torch.manual_seed(0)
        policy = torch.nn.Linear(3, 4)
        optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
        observations, advantage = torch.randn(8, 3), torch.randn(8)
        actions = torch.randint(4, (8,))
        old = torch.distributions.Categorical(logits=policy(observations)).log_prob(actions).detach()
        for _ in range(steps):
            new = torch.distributions.Categorical(logits=policy(observations)).log_prob(actions)
            optimizer.zero_grad()
            loss_of(new, old, advantage).backward()
            optimizer.step()

    return start


def clipped(new, old, advantage):
    ratio = (new - old).exp()
    return -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()


def test_the_roles_of_a_script_are_found_from_evidence(script_subject):
    assert script_subject.available == {
        "log_prob",
        "old_log_prob",
        "advantage",
        "entropy",
        "value",
        "old_value",
        "return_",
    }


def test_the_profile_of_a_script_is_that_of_its_loss(script_subject):
    profile = script_subject.profile
    assert profile.clip == pytest.approx((0.8, 1.2), abs=1e-5)
    assert (profile.normalisation.ddof, profile.normalisation.epsilon) == (1, 1e-8)
    assert profile.coefficients == pytest.approx({"policy": 1.0, "value": 0.25, "entropy": -0.01})


def test_rows_nobody_counted_are_free(script_subject):
    assert script_subject.capacity is None


def test_a_length_that_the_target_reads_fixes_the_rows():
    def guarded(new, old, advantage):
        if len(advantage) > 1:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        return clipped(new, old, advantage)

    subject = lift("guarded", small_training(guarded), seed=0)
    assert subject.capacity == 8
    assert subject.anatomy.guards


def test_a_constant_taken_out_of_the_batch_is_noticed_on_a_later_minibatch():
    def baked(new, old, advantage):
        return clipped(new, old, advantage) * (1 + (new - old).abs().sum().item())

    with pytest.raises(UsageError, match="depends on more than the recorded roles"):
        lift("baked", small_training(baked), seed=0)


def test_a_likelihood_that_no_advantage_weighs_is_declined():
    with pytest.raises(UsageError, match="no probability ratio"):
        lift("cloning", small_training(lambda new, old, advantage: -new.mean()), seed=0)


def test_a_run_that_never_calls_backward_says_what_ended_it():
    def fail():
        raise ValueError("no environment")

    with pytest.raises(UsageError, match=r"never called `backward`.*ValueError: no environment"):
        lift("broken", fail, seed=0)


def test_a_path_around_the_boundary_is_declined():
    weight = torch.nn.Parameter(torch.ones(1))

    with pytest.raises(UsageError, match="path that was not followed"):
        lift("around", small_training(lambda n, o, a: clipped(n, o, a) + weight.square().sum()), seed=0)


def written_through_a_view(new, old, advantage):
    """The surrogate is scaled in place, and read through a view that was made before."""
    surrogate = (new - old).exp() * advantage
    view = surrogate.view(-1)
    surrogate.mul_(3)
    return -view.mean()


def written_by_index(new, old, advantage):
    """Surrogates are added up in a buffer of zeros, half by half."""
    buffer = torch.zeros(8)
    buffer[:4] += ((new - old).exp() * advantage)[:4]
    buffer[4:] += ((new - old).exp() * advantage)[4:]
    return -buffer.mean()


@pytest.mark.parametrize("loss_of", [written_through_a_view, written_by_index])
def test_writes_in_place_are_replayed_not_taken_as_constants(loss_of):
    captured = []
    lift_one = lambda capture: captured.append(verified_program(capture)) or captured[-1]
    record(small_training(loss_of), "in place", lift_one, lambda capture: None)
    program = captured[0]
    once = replay(program, {}, torch.float64, {}, {}).loss
    doubled = replay(program, {"advantage": 2 * program.recorded()["advantage"]}, torch.float64, {}, {}).loss
    assert doubled.item() == pytest.approx(2 * once.item(), rel=1e-6)


def test_a_write_seen_through_a_view_older_than_the_recording_is_declined():
    buffer = torch.zeros(8)
    view = buffer.view(8)

    def through_the_view(new, old, advantage):
        view.numel()
        buffer.copy_((3 * (new - old).exp() * advantage).detach())
        return clipped(new, old, advantage) * (1 + view.sum())

    with pytest.raises(UsageError, match=r"`copy_` at .*test_trainer.py:\d+ writes into memory"):
        lift("older view", small_training(through_the_view), seed=0)


def stopped_ratio_in_the_advantage(new, old, advantage):
    """Equal to the advantage at the first minibatch, where the ratio is 1; its weight moves with the log-prob."""
    ratio = (new - old).exp()
    weighted = ratio.detach() * advantage
    return -torch.min(ratio * weighted, ratio.clamp(0.8, 1.2) * advantage).mean()


def test_what_is_made_of_the_ratio_is_no_twin_of_the_advantage_that_it_equals_at_ratio_one():
    captured = []
    record(
        small_training(stopped_ratio_in_the_advantage),
        "twin",
        lambda capture: captured.append(verified_program(capture)) or captured[-1],
        lambda capture: None,
    )
    first = captured[0]
    assert len(first.boundary.numbers["advantage"]) == 1
    batch = first.recorded() | {"log_prob": first.recorded()["log_prob"] - 1}
    want = stopped_ratio_in_the_advantage(*(batch[role] for role in ("log_prob", "old_log_prob", "advantage")))
    assert torch.equal(replay(first, batch, torch.float32, {}, {}).loss, want)


@pytest.mark.parametrize(
    "twice", [lambda data, rows: data[rows], lambda data, rows: torch.as_tensor(data.numpy()[rows])]
)
def test_data_that_is_fetched_twice_is_one_role(twice):
    rows = torch.arange(8)

    def loss_of(new, old, advantage):
        ratio = (new - old).exp()
        return -torch.min(ratio * twice(advantage, rows), ratio.clamp(0.8, 1.2) * twice(advantage, rows)).mean()

    subject = lift("fetched twice", small_training(loss_of), seed=0)
    gradient = subject.policy(torch.tensor([1.0, 1.0]).repeat(4), torch.tensor([1.0, -1.0]).repeat(4))
    assert gradient[::2].abs().max() == 0
