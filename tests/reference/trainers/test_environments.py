"""Vectors of environments: ends kept apart, final observations, resuming, and the native CartPole."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from ppo_audit.reference.trainers.cartpole import NativeCartPoles
from ppo_audit.reference.trainers.environments import GymEnvironments, episode_seed, make_environments
from ppo_audit.reference.trainers.history import HistoryEnvironments, window_rows
from ppo_audit.reference.trainers.tokens import END, PADDING, PROMPT_LENGTH, TokenEnvironments, score
from tests.reference.trainers import probes

probes.register()


def run(environments, steps, seed=0, choices=2):
    rng = np.random.default_rng(seed)
    return [environments.step(rng.integers(choices, size=environments.count)) for _ in range(steps)]


@pytest.mark.parametrize("make", [NativeCartPoles, lambda n: make_environments("CartPole-v1", n)])
def test_an_end_shows_the_final_observation_and_acting_goes_on_from_a_new_episode(make):
    environments = make(3)
    environments.reset(0)
    steps = run(environments, 60)
    ends = [(t, i) for t, step in enumerate(steps) for i in np.flatnonzero(step.terminated | step.truncated)]
    assert ends
    for t, i in ends:
        assert abs(steps[t].next_observation[i, 2]) > 0.2 or abs(steps[t].next_observation[i, 0]) > 2.4
        assert np.abs(steps[t].observation[i]).max() <= 0.05
    for t, step in enumerate(steps):
        going_on = ~(step.terminated | step.truncated)
        assert np.array_equal(step.observation[going_on], step.next_observation[going_on]), t


def test_the_native_cartpole_follows_gymnasiums_to_float32():
    native, theirs = NativeCartPoles(2), make_environments("CartPole-v1", 2)
    native.reset(0), theirs.reset(0)
    native._state = np.array([e.unwrapped.state for e in theirs._environments]).T
    rng = np.random.default_rng(0)
    for _ in range(8):
        action = rng.integers(2, size=2)
        ours, expected = native.step(action), theirs.step(action)
        assert ours.next_observation == pytest.approx(expected.next_observation, abs=1e-6)
        assert ours.terminated.tolist() == expected.terminated.tolist()


@pytest.mark.parametrize("make", [NativeCartPoles, lambda n: make_environments("CartPole-v1", n)])
def test_cartpole_is_truncated_at_500_and_not_terminated(make):
    environments = make(1)
    observation = environments.reset(0)
    for t in range(500):
        # a controller that balances: push towards the lean
        lean = observation[0] @ np.array([0.1, 0.5, 3.0, 1.0])
        step = environments.step(np.array([int(lean > 0)]))
        observation = step.observation
        assert not step.terminated.any(), t
        assert step.truncated.item() == (t == 499)


@pytest.mark.parametrize(
    "make",
    [
        NativeCartPoles,
        lambda n: make_environments("CartPole-v1", n),
        lambda n: HistoryEnvironments(NativeCartPoles(n), 4),
        TokenEnvironments,
    ],
)
def test_restoring_a_state_continues_bit_equally(make):
    environments, other = make(3), make(3)
    environments.reset(7)
    run(environments, 33)
    observation = other.restore(environments.state())
    before = run(environments, 40, seed=1)
    after = run(other, 40, seed=1)
    assert observation.shape == before[0].observation.shape
    for a, b in zip(before, after, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_box2d_world_and_continuous_actions_are_restored_too():
    pytest.importorskip("Box2D")
    for name in ("LunarLander-v3", "Pendulum-v1"):
        environments, other = make_environments(name, 2), make_environments(name, 2)
        environments.reset(1)
        rng = np.random.default_rng(0)
        discrete, continuous = rng.integers(4, size=(91, 2)), rng.uniform(-2, 2, (91, 2, 1)).astype(np.float32)
        actions = discrete if "Lunar" in name else continuous
        for action in actions[:90]:
            environments.step(action)
        observation = other.restore(environments.state())
        action = actions[90]
        assert np.array_equal(environments.step(action)[0], other.step(action)[0]), name
        assert observation.dtype == np.float32


def test_equal_episode_seeds_give_equal_first_states_and_others_do_not():
    first = make_environments("CartPole-v1", 4).reset_to([1, 1, 2, 2])
    assert np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])
    seeds = [episode_seed(s, i, e) for s in range(3) for i in range(3) for e in range(3)]
    assert len(set(seeds)) == 27


def test_other_observation_spaces_are_laid_out_flat():
    environments = GymEnvironments(lambda: gymnasium.make("FrozenLake-v1"), 2)
    assert environments.reset(0).shape == (2, 16)


def test_action_masks_of_the_environment_are_passed_on():
    environments = make_environments("ProbeMaskedActionReward-v0", 2)
    environments.reset(0)
    assert environments.action_mask().tolist() == [[True, False, True, False]] * 2
    assert make_environments("ProbeRisk-v0", 2).action_mask() is None


class TestHistory:
    def test_a_window_holds_the_last_steps_newest_last_and_never_crosses_an_episode(self):
        inner, windows = NativeCartPoles(2), HistoryEnvironments(NativeCartPoles(2), 4)
        observation = inner.reset(3)
        seen = windows.reset(3)
        trail = [[(observation[i], np.zeros(2))] for i in range(2)]
        rng = np.random.default_rng(5)
        for _ in range(60):
            action = rng.integers(2, size=2)
            step, shown = inner.step(action), windows.step(action)
            for i in range(2):
                reached = [*trail[i], (step.next_observation[i], np.eye(2)[action[i]])]
                ended = step.terminated[i] or step.truncated[i]
                trail[i] = [(step.observation[i], np.zeros(2))] if ended else reached
                for rows, window in ((reached, shown.next_observation[i]), (trail[i], shown.observation[i])):
                    newest = rows[-4:]
                    expected = np.array([[1.0, *o, *a] for o, a in newest], np.float32)
                    assert np.array_equal(window[-len(newest) :], expected)
                    assert not window[: -len(newest)].any()
        assert seen.shape == (2, 4, 7)

    def test_demonstrated_rows_are_those_that_the_environments_show(self):
        environments = HistoryEnvironments(NativeCartPoles(2), 6)
        first = environments.reset(0)[:, -1]
        rng = np.random.default_rng(1)
        actions = rng.integers(2, size=(5, 2))
        rows = np.stack([first, *(environments.step(a).observation[:, -1] for a in actions[:4])])
        assert np.array_equal(window_rows(rows[..., 1:5], actions, 2), rows)


class TestTokens:
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [([3, 2, 1, END], 1.0), ([3, 2, END], 0.5), ([END], 0.0), ([3, 2, 1, 0, 0, END], 0.5), ([0, 2, 0, 0], 0.25)],
    )
    def test_the_reward_is_the_share_of_right_positions(self, answer, expected):
        text = np.full(PROMPT_LENGTH + 6, PADDING)
        text[1:5] = [1, 2, 3, END + 1]
        text[PROMPT_LENGTH : PROMPT_LENGTH + len(answer)] = answer
        assert score(text) == pytest.approx(expected)

    def test_an_episode_ends_at_the_end_token_or_at_the_limit(self):
        environments = TokenEnvironments(2)
        environments.reset(0)
        steps = [environments.step(np.array([END if t == 1 else 0, 0])) for t in range(6)]
        assert [step.terminated[0] for step in steps][:2] == [False, True]
        assert [bool(step.truncated[1]) for step in steps] == [False] * 5 + [True]
