"""`ppo-audit new-rule`: the skeleton of a rule and of its test, which fail until they are filled in."""

from __future__ import annotations

import re
from pathlib import Path

from ppo_audit.errors import UsageError

RULE = '''"""TODO: the claim, in one sentence.

Property.  TODO: the formula that a correct loss satisfies.
Why.       TODO: what goes wrong in training where it does not. Cite a paper to the equation (arXiv:0000.00000) or
           pinned code.
Applies.   TODO: which losses claim this, and which legitimate designs do not.
Tested.    TODO: the cases, how many, and how far from kinks.
Severity.  Serious: TODO: why.
Fix.       TODO: the smallest edit.
"""

from ppo_audit import Rule, Severity, Subject, Violation

RULE = Rule(
    code="{code}",
    name="{name}",
    family="{family}",
    severity=Severity.SERIOUS,
    needs=("policy",),
    must_flag=("TODO_a_fault_by_name",),
)


def check(subject: Subject) -> Violation | None:
    raise NotImplementedError("measure the subject; return a Violation, or None where the property holds")
'''

TEST = '''"""{code} {name}: seen to flag and seen to stay silent."""

import importlib.util

import pytest

from ppo_audit import audit

RULES = "{path}"


def correct(log_prob, old_log_prob, advantage, clip_range=0.2):
    ratio = (log_prob - old_log_prob).exp()
    return -(ratio * advantage).minimum(ratio.clamp(1 - clip_range, 1 + clip_range) * advantage).mean()


def faulty(log_prob, old_log_prob, advantage, clip_range=0.2):
    pytest.fail("write the correct loss with one line wrong, in the way that the rule must flag")


def outcome(loss):
    from ppo_audit.settings import Settings

    (target,) = audit(loss, Settings(rule_paths=(RULES,), select=("{code}",))).targets
    return target.outcomes[0].status


def test_it_flags_the_fault():
    assert outcome(faulty) == "flagged"


def test_it_passes_a_correct_loss():
    assert outcome(correct) == "passed"


def test_nothing_is_left_to_do():
    assert "TODO" not in open(RULES).read()
'''.replace("import importlib.util\n\n", "")


def write(name: str, code: str, family: str, folder: Path) -> tuple[Path, Path]:
    """Write rule and test into `folder`; raises UsageError for a name that is no rule name, or a file that exists."""
    if not re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name):
        raise UsageError(
            f"`{name}` is no name of a rule; expected lower-case words joined by hyphens, such as `clip-stops-gains`."
        )
    if not re.fullmatch(r"[A-Z]{2,}[0-9]{3,}", code) or code.startswith("PPO"):
        raise UsageError(
            f"--code: `{code}` is taken or no code; expected letters of your own and a number, such as `ACME001`."
        )
    stem = name.replace("-", "_")
    rule, test = folder / f"{stem}.py", folder / f"test_{stem}.py"
    for path, text in ((rule, RULE), (test, TEST)):
        if path.exists():
            raise UsageError(f"`{path}` exists; choose another name or folder.")
        _write(path, text.format(code=code, name=name, family=family, path=rule.resolve()))
    return rule, test


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"--folder: cannot write `{path}` ({error}); choose another folder.") from error
