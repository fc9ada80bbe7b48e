"""A script that needs a while before its first update, then trains for an hour, and writes down how far it came."""

import sys
import time
from pathlib import Path

from training import train

BEFORE_THE_FIRST, EACH = 2.5, 3.6


def before(update: int) -> None:
    """Fetch data, once for long; every update is written to the file that was named."""
    time.sleep(EACH if update else BEFORE_THE_FIRST)
    with Path(sys.argv[1]).open("a") as file:
        file.write(f"update {update}\n")


train(before)
