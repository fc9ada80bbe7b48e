"""`ppo-audit replay`: one finding of a stored report again, by the rule that made it and nothing else.

The report is a file that the user kept (`check --output report.json`); nothing is stored unasked. The target is
measured under the options that the report names and the configuration of today; waivers do not matter. With
`--export` the finding is also written as a test that needs no ppo-audit: an option here and not a command of its own,
since both ask whether the finding is still there.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from ppo_audit.commands.check import audit, audit_isolated
from ppo_audit.commands.configured import command_line, configured
from ppo_audit.commands.options import Debug, InProcess
from ppo_audit.commands.writing import expect_folder, write
from ppo_audit.configuration.keys import Layer
from ppo_audit.configuration.layers import settings_of
from ppo_audit.errors import Complaints, UsageError, did_you_mean
from ppo_audit.findings import Report, Status
from ppo_audit.rules import catalogue
from ppo_audit.settings import Settings, role_pairs, rule_codes, value_pairs

CODES = {"FIXED": 0, "STILL FAILS": 1, "CANNOT RUN": 2}


def replay(
    finding_id: Annotated[str, typer.Argument(help="The finding's fingerprint, or its beginning.", metavar="ID")],
    report: Annotated[Path, typer.Option(help="A report of `check --format json`.", metavar="FILE")],
    target: Annotated[str | None, typer.Argument(help="Where several targets have the finding.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write it as a test; needs no ppo-audit.", metavar="FILE")] = None,
    in_process: InProcess = False,
    debug: Debug = False,
) -> None:
    """Run one finding's rule again: FIXED (exit code 0), STILL FAILS (1) or CANNOT RUN (2)."""
    entry, finding = _find(_targets(report), finding_id, target)
    settings = _settings(entry, finding["rule"])
    expect_folder(export)
    if export:
        _export(export, entry["target"], finding, settings)
    run = audit if in_process else functools.partial(audit_isolated, jobs=1)
    word, reason = _verdict(run([entry["target"]], settings), finding)
    print(f"{word}: {finding['rule']} {finding['name']} of {entry['target']}: {reason}")
    raise typer.Exit(CODES[word])


def _targets(path: Path) -> list[dict[str, Any]]:
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8-sig"))["targets"]
        for entry in entries:
            _expect_texts(entry, "target")
            for finding in entry["findings"]:
                _expect_texts(finding, "rule", "name", "fingerprint")
        return entries
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"--report: `{path}` is no report of `ppo-audit check --format json` ({error}).") from error


def _expect_texts(entry: Any, *keys: str) -> None:
    for key in keys:
        if not isinstance(entry[key], str):
            raise TypeError(f"its `{key}` is {entry[key]!r}")


def _find(entries: list[dict[str, Any]], wanted: str, target: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    pairs = [(entry, each) for entry in entries if target in (None, entry["target"]) for each in entry["findings"]]
    hits = [(entry, each) for entry, each in pairs if each["fingerprint"].startswith(wanted)]
    if not hits:
        known = [each["fingerprint"] for _, each in pairs]
        raise UsageError(f"CANNOT RUN: no finding `{wanted}` in the report.{did_you_mean(wanted, known)}")
    if len({(entry["target"], each["fingerprint"]) for entry, each in hits}) > 1:
        names = ", ".join(f"{each['fingerprint']} of {entry['target']}" for entry, each in hits)
        raise UsageError(f"CANNOT RUN: `{wanted}` is not one finding but several: {names}. Name the target too.")
    return hits[0]


def _settings(entry: dict[str, Any], rule: str) -> Settings:
    """Configuration of today, options of the report, and this rule alone."""
    complaints = Complaints()
    configuration = configured(None, complaints)
    complaints.stop()
    try:
        options = _options(entry.get("command") or "")
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"CANNOT RUN: the report's `command` cannot be read ({error}): {entry['command']!r}."
        ) from error
    found = settings_of(configuration, options).of(entry["target"])
    codes = rule_codes([rule], "CANNOT RUN: the finding's rule", found.rule_paths)
    return dataclasses.replace(found, select=codes, ignore=(), targets=(), trials=0)


def _options(command: str) -> Layer:
    """The options of a command that a report names, as `command_for` writes them."""
    words = shlex.split(command)
    cut = words.index("--") if "--" in words else len(words)
    options = [tuple(word[2:].split("=", 1)) for word in words[:cut] if word.startswith("--") and "=" in word]
    several = lambda name: [value for key, value in options if key == name]
    single = lambda name: next(iter(several(name)), None)
    roles, values, seed = several("role"), several("set"), single("seed")
    return command_line(
        roles=role_pairs(roles) if roles else None,
        values=value_pairs(values) if values else None,
        inputs=single("inputs"),
        device=single("device"),
        seed=int(seed) if seed else None,
        rule_paths=tuple(several("rules")) or None,
        script_args=tuple(words[cut + 1 :]) or None,
    )


def _export(path: Path, target: str, finding: dict[str, Any], settings: Settings) -> None:
    """The finding as a test; a target in the working folder is called from there, wherever the test lies."""
    from ppo_audit.exported import Exported, test_file

    page = catalogue(settings.rule_paths)[settings.select[0]]
    folder = os.path.relpath(Path.cwd(), path.absolute().parent)
    write(path, test_file(Exported(target, finding, settings, page), Path(folder).as_posix()))
    print(f"Wrote {path}. It passes once the rule does.")


def _verdict(report: Report, finding: dict[str, Any]) -> tuple[str, str]:
    (target,) = report.targets
    found = [each for each in target.findings if each.rule == finding["rule"]]
    if found:
        same = any(each.fingerprint == finding["fingerprint"] for each in found)
        return "STILL FAILS", found[0].message if same else f"by another violation: {found[0].message}"
    outcome = next((each for each in target.outcomes if each.rule == finding["rule"]), None)
    if target.error or outcome is None:
        return "CANNOT RUN", target.error or "the rule did not run"
    if outcome.status is Status.PASSED:
        return "FIXED", outcome.reason or "the rule passes"
    return "CANNOT RUN", outcome.reason or f"the rule was {outcome.status.value}"
