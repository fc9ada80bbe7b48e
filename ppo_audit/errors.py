"""What can go wrong that is nobody's bug: the user asked for something impossible, or a rule does not apply."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from ppo_audit.findings import Location

Parsed = TypeVar("Parsed")


RAISED_BY_A_TARGET = (Exception, SystemExit, GeneratorExit)
"""What a target may raise when it is called; an interruption is the user's."""


class UsageError(Exception):
    """The request cannot be carried out: exit code 2, nothing was judged.

    The message names the thing in backticks, what was expected, what came, and what to do about it.
    """

    exit_code = 2


class TargetLost(UsageError):
    """The target was killed or hung before what was asked of it was known: exit code 3."""

    exit_code = 3


class NoGradient(UsageError):
    """The target returned numbers, none of which can be differentiated."""


class Complaints:
    """Keeps what the user got wrong, so that he hears of all of it at once."""

    def __init__(self) -> None:
        self._messages: list[str] = []

    def hear(self, parse: Callable[[], Parsed], otherwise: Parsed) -> Parsed:
        """What `parse` returns; `otherwise` where it refuses, and its message is kept."""
        try:
            return parse()
        except UsageError as error:
            self._messages.append(str(error))
            return otherwise

    def stop(self) -> None:
        """Refuse to go on if anything was wrong."""
        if self._messages:
            raise UsageError("\n".join(self._messages))


class NotApplicable(Exception):
    """A rule does not apply to this subject: the outcome is *skipped*, and the message is its reason."""


class TargetRaised(NotApplicable):
    """The target raised while a rule measured it: PPO001 judges that, the other rules do not apply to such a batch."""

    def __init__(self, reason: str, place: Location | None = None) -> None:
        super().__init__(f"the target raised {reason}")
        self.place = place

    @property
    def is_refusal(self) -> bool:
        """Whether the target checked its input and said so, by a `raise` or `assert` of its own."""
        is_own = self.place is not None and self.place.code.lstrip().startswith(("raise ", "assert "))
        return is_own and isinstance(self.__cause__, ValueError | AssertionError)


def closest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that `name` most likely stands for, capitals aside; None where nothing is near."""
    by_folded = {choice.casefold(): choice for choice in choices}
    match = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[match[0]] if match else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """A question to put at the end of a message, led by a space; empty where nothing is near."""
    match = closest(name, choices)
    return f" Did you mean `{match}`?" if match else ""
