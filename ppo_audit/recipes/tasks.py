"""Toy tasks: a few numbers to observe, episodes that run into a time limit, a reward that an update can learn from."""

from __future__ import annotations

from typing import Any

EPISODE_LENGTH = 20
CHOICES = 4


def repeat_the_point() -> Any:
    """Each action should repeat the target point, of two dimensions, that the observation shows."""
    import gymnasium
    import numpy as np

    class RepeatThePoint(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            super().reset(seed=seed, options=options)
            self.age = 0
            return self.show(), {}

        def show(self) -> Any:
            self.point = self.np_random.uniform(-1, 1, 2).astype(np.float32)
            return self.point

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            reward = -float(np.square(action - self.point).sum())
            self.age += 1
            return self.show(), reward, False, self.age >= EPISODE_LENGTH, {}

    return RepeatThePoint()


def choose_the_largest() -> Any:
    """Each action should name the largest of four numbers; `action_masks` forbids one of the others."""
    import gymnasium
    import numpy as np

    class ChooseTheLargest(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(-1, 1, (CHOICES,), np.float32)
        action_space = gymnasium.spaces.Discrete(CHOICES)

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            super().reset(seed=seed, options=options)
            self.age = 0
            return self.show(), {}

        def show(self) -> Any:
            self.numbers = self.np_random.uniform(-1, 1, CHOICES).astype(np.float32)
            return self.numbers

        def action_masks(self) -> Any:
            return self.numbers > self.numbers.min()

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            reward = float(self.numbers[int(action)])
            self.age += 1
            return self.show(), reward, False, self.age >= EPISODE_LENGTH, {}

    return ChooseTheLargest()
