"""What the engine judges: a loss made measurable, or a helper alone. Both say their kind and roles."""

from __future__ import annotations

from ppo_audit.helpers.controller import Controller
from ppo_audit.helpers.credit import Credit
from ppo_audit.helpers.log_prob import LogProb
from ppo_audit.helpers.metric import ClipFraction
from ppo_audit.helpers.returns import Returns
from ppo_audit.subjects.subject import Subject

Helper = Returns | Credit | Controller | LogProb | ClipFraction
Judged = Subject | Helper
