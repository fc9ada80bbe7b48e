"""What an exported finding runs: one rule on one target, from the sources that the test carries."""

from __future__ import annotations

import json
import sys
from typing import Any

from ppo_audit.api import audit_targets
from ppo_audit.findings import Status
from ppo_audit.settings import Settings


def main(target: str, rule: str, options: str) -> str | None:
    """None where the rule passes, else why it does not."""
    chosen = {name: _frozen(value) for name, value in json.loads(options).items()}
    (entry,) = audit_targets([target], Settings(select=(rule,), trials=0, **chosen)).targets
    outcome = next((each for each in entry.outcomes if each.rule == rule), None)
    if entry.error or outcome is None:
        return f"CANNOT RUN: {entry.error}"
    if outcome.status is Status.PASSED:
        return None
    said = [f"{each.message} {dict(each.counterexample)} {each.location}" for each in entry.findings]
    return "\n".join([f"{rule} {outcome.name}: {outcome.status.value}. {outcome.reason or ''}", *said])


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
