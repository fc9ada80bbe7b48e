"""A token task as environments: an episode is a prompt, an action is a token, the reward comes with the last one.

The prompt is a few digits and a separator; the answer wanted is those digits reversed, then the end token. Prompts have
different lengths, so answers have too. The reward is the share of the answer's positions that are right (the end
token's place included), so that a first success is found; it is 1 for the exact answer only.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ppo_audit.reference.trainers.environments import Step, episode_seed

DIGITS, SHORTEST, LONGEST = 5, 2, 4
END, SEPARATOR, PADDING = DIGITS, DIGITS + 1, DIGITS + 2  # actions are the digits and END
VOCABULARY = DIGITS + 3
PROMPT_LENGTH = LONGEST + 1  # with its separator; shorter prompts are padded on the left
ANSWER_LENGTH = LONGEST + 2  # a policy may answer too long
LENGTH = PROMPT_LENGTH + ANSWER_LENGTH


class TokenEnvironments:
    """N prompts with the interface of `Environments`. An observation is the whole text so far, `[LENGTH]` of tokens."""

    observation_shape = (LENGTH,)
    action_space = SimpleNamespace(n=DIGITS + 1)

    def __init__(self, count: int) -> None:
        self.count = count
        self._text = np.full((count, LENGTH), PADDING, np.int64)
        self._written = np.zeros(count, np.int64)
        self._episodes = [0] * count
        self._seed = 0

    def reset(self, seed: int) -> np.ndarray:
        self._seed, self._episodes = seed, [0] * self.count
        return self.reset_to([episode_seed(seed, i, 0) for i in range(self.count)])

    def reset_to(self, episode_seeds: Sequence[int]) -> np.ndarray:
        for i, seed in enumerate(episode_seeds):
            self._start(i, seed)
        return self._text.copy()

    def step(self, action: np.ndarray) -> Step:
        everyone = np.arange(self.count)
        self._text[everyone, PROMPT_LENGTH + self._written] = action
        self._written += 1
        reached = self._text.copy()
        terminated = action == END
        truncated = (self._written == ANSWER_LENGTH) & ~terminated
        reward = np.zeros(self.count, np.float32)
        for i in np.flatnonzero(terminated | truncated):
            reward[i] = score(self._text[i])
            self._episodes[i] += 1
            self._start(int(i), episode_seed(self._seed, int(i), self._episodes[i]))
        return Step(self._text.copy(), reached, reward, terminated, truncated)

    def action_mask(self) -> None:
        return None

    def state(self) -> dict[str, Any]:
        text, written = self._text.tolist(), self._written.tolist()
        return {"seed": self._seed, "episodes": list(self._episodes), "text": text, "written": written}

    def restore(self, state: dict[str, Any]) -> np.ndarray:
        self._seed, self._episodes = state["seed"], list(state["episodes"])
        self._text, self._written = np.array(state["text"]), np.array(state["written"])
        return self._text.copy()

    def _start(self, i: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        digits = rng.integers(DIGITS, size=rng.integers(SHORTEST, LONGEST + 1))
        self._text[i] = PADDING
        self._text[i, PROMPT_LENGTH - 1] = SEPARATOR
        self._text[i, PROMPT_LENGTH - 1 - len(digits) : PROMPT_LENGTH - 1] = digits
        self._written[i] = 0


def score(text: np.ndarray) -> float:
    """The share of positions of the wanted answer at which this text has the wanted token; longer answers lose too."""
    prompt = text[: PROMPT_LENGTH - 1]
    wanted = [*prompt[prompt != PADDING][::-1].tolist(), END]
    answer = text[PROMPT_LENGTH:]
    given = answer[answer != PADDING].tolist()
    right = sum(int(a == b) for a, b in zip(wanted, given, strict=False))
    return right / max(len(wanted), len(given))
