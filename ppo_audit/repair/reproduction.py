"""A violation as a few lines of Python that need torch and the user's file alone."""

from __future__ import annotations

from pathlib import Path

import torch

from ppo_audit.errors import RAISED_BY_A_TARGET
from ppo_audit.findings import Finding
from ppo_audit.repair.trials import call_of
from ppo_audit.subjects.judged import Judged
from ppo_audit.subjects.run import DIFFERENTIABLE, Run
from ppo_audit.subjects.subject import Subject

ROWS = 3
MOST_LINES = 10
RESULTS = ("want", "expected", "got")


def reproduction(spec: str, subject: Judged, finding: Finding) -> str:
    """The smallest case in the first of a few rows; empty where the target takes more than plain rows by name."""
    place, _, name = spec.partition(":")
    call = call_of(subject) if isinstance(subject, Subject) else None
    if not isinstance(subject, Subject) or call is None or subject.cuts or not name.isidentifier():
        return ""
    parameters = [binding.name for binding in call.bindings if binding.role in subject.available]
    if subject.layout.name != "flat" or call.values or any(binding.container for binding in call.bindings):
        return ""
    try:
        run = subject.run(subject.rows(ROWS, **_case(subject, finding)))
    except RAISED_BY_A_TARGET:
        return ""
    roles = {binding.name: binding.role for binding in call.bindings}
    given = [(each, str(roles[each]), run.given[str(roles[each])]) for each in parameters]
    lines = ["import torch", f"from {Path(place).stem if place.endswith('.py') else place} import {name}"]
    lines += [_tensor(each, role, rows) for each, role, rows in given]
    lines += [f"out = {name}({', '.join(f'{each}={each}' for each in parameters)})"]
    lines += [f"{_shown(run, given)}  {_told(finding)}"]
    return "\n".join(lines) if len(lines) <= MOST_LINES else ""


def _case(subject: Subject, finding: Finding) -> dict[str, torch.Tensor]:
    """The rows of the counterexample: its numbers in the first one, plain ones behind."""
    numbers = {role: value for role, value in finding.counterexample.items() if isinstance(value, int | float)}
    row = lambda first, rest: torch.tensor([float(first), *[rest] * (ROWS - 1)], dtype=torch.float64)
    found = {role: row(value, 0.5) for role, value in numbers.items() if role in subject.available}
    if "log_ratio" in numbers and {"log_prob", "old_log_prob"} <= subject.available:
        found |= {"old_log_prob": row(-1.5, -1.5), "log_prob": row(-1.5 + numbers["log_ratio"], -1.4)}
    return found


def _tensor(name: str, role: str, rows: torch.Tensor) -> str:
    numbers = ", ".join(f"{value:.6g}" for value in rows.detach().reshape(-1).tolist())
    gradient = ", requires_grad=True" if role in DIFFERENTIABLE else ""
    return f"{name} = torch.tensor([{numbers}]{gradient})"


def _shown(run: Run, given: list[tuple[str, str, torch.Tensor]]) -> str:
    """The line that prints the loss and the gradient of each input that has one."""
    key = next((key for key, value in run.outputs.items() if value is run.loss), "loss")
    total = "out" if key == "loss" and len(run.outputs) == 1 else f"out[{key}]" if key.isdigit() else f'out["{key}"]'
    leaves = ", ".join(name for name, role, _ in given if role in DIFFERENTIABLE)
    return f"print({total}, torch.autograd.grad({total}, [{leaves}], allow_unused=True))"


def _told(finding: Finding) -> str:
    shown = ", ".join(f"{word} {finding.counterexample[word]}" for word in RESULTS if word in finding.counterexample)
    return f"# {finding.rule}, first row: {shown}" if shown else f"# {finding.rule}: {finding.message.splitlines()[0]}"
