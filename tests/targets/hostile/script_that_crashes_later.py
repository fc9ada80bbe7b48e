"""A script that fails in its second update."""

from training import train


def before(update: int) -> None:
    """The second rollout finds no simulator."""
    if update == 1:
        raise ConnectionError("no simulator at port 2000")


train(before, epochs=1)
