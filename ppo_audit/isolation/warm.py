"""What every worker needs, imported once: workers are forked from a process that has this and has computed nothing.

First backward passes with hooks import `torch._dynamo`, which takes longer than the audit of a loss.
"""

import torch._dynamo

from ppo_audit import api
from ppo_audit.isolation import worker
from ppo_audit.rules import catalogue, load_check

for _page in catalogue().values():
    load_check(_page)

__all__ = ["api", "torch", "worker"]
