"""One update of Stable-Baselines3's PPO in its default sizes, plain or recorded: seconds and peak memory of a process.

It is a hard case: one environment that costs nothing, so that the rollout is 2048 times a batch of one, and nearly all
of the time is the price of calling an operation. The update is the rollout and all 320 minibatches after it.

python -m tests.bench.recording plain
python -m tests.bench.recording recorded
"""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
import time

STEPS = 2048
KIB = 1024


def main(mode: str) -> None:
    """Print CPU seconds of the update, and the peak memory of this process in MiB."""
    import torch
    from stable_baselines3 import PPO

    from ppo_audit import record
    from ppo_audit.recipes.tasks import repeat_the_point

    torch.set_num_threads(1)
    model = PPO("MlpPolicy", repeat_the_point(), seed=0, device="cpu", n_steps=STEPS)
    started = time.process_time()
    with record() if mode == "recorded" else contextlib.nullcontext():
        model.learn(total_timesteps=STEPS)
    spent = time.process_time() - started
    print(json.dumps([spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB]))


def measured(mode: str) -> tuple[float, float]:
    """Seconds and MiB of one update in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.recording", mode], capture_output=True, text=True, check=True
    )
    seconds, mebibytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, mebibytes


if __name__ == "__main__":
    main(sys.argv[1])
