"""Files: configurations, baselines, waivers in comments and reports, sound, a little wrong, and anything at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ppo_audit.configuration.keys import EVERYWHERE, FIRST, ONE_TARGET, TARGETS, WHOLE_RUN, names_of
from ppo_audit.configuration.starter import starter
from ppo_audit.declared import VARIANTS
from ppo_audit.new_rule import RULE
from ppo_audit.reports import render
from ppo_audit.thresholds import LIMITS, TOLERANCES
from ppo_audit.waivers.baseline import KEYS, SCHEMA
from tests.fuzz.words import KNOWN
from tests.reports.samples import LOSS, report

LOSS_FILE = """import torch

def loss(log_prob, old_log_prob, advantage):
    {0}
    ratio = (log_prob - old_log_prob).exp()  {1}
    return -(ratio * advantage).mean()
"""
TEXTS = st.sampled_from((*KNOWN, "serious", "never", *VARIANTS)) | st.text(max_size=8)
SCALARS = st.one_of(
    TEXTS, st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.sampled_from((0, 1, 30.0, 1e-3))
)
NAMES = (*names_of((*FIRST, *EVERYWHERE, *WHOLE_RUN, *ONE_TARGET)), TARGETS)
INNER = ("PPO101", "ratio-overflow", "PPO9", "mask", "clip_range", *LIMITS, *TOLERANCES, "rule", "reason", "expires")
SPECS = ("loss.py:loss", "./loss.py:loss", "pkg:f", "loss.py", "")
SOUND: dict[str, Any] = {
    "targets": {"loss.py:loss": {"declared": "ppo-clip", "set": {"clip_range": 0.1}, "waivers": []}},
    "rules": ["rule.py"],
    "select": ["PPO1", "PPO2", "kl-non-negative"],
    "ignore": ["PPO207"],
    "severities": {"PPO201": "potential"},
    "thresholds": dict(LIMITS),
    "tolerances": dict(TOLERANCES),
    "roles": {"old_log_prob": "lp"},
    "set": {"clip_range": 0.1},
    "device": "cpu",
    "seed": 3,
    "script-args": ["--steps", "8"],
    "time-limit": 3.5,
    "memory-limit": 2,
    "waivers": [{"rule": "PPO101", "reason": "bounded upstream", "expires": "2027-12-31"}],
    "fail-on": "critical",
    "baseline": "known.json",
    "strict-waivers": True,
}
STARTER = starter(("loss.py:loss",)).replace("\n# ", "\n")
WAIVER = st.fixed_dictionaries(
    {"rule": st.sampled_from(("PPO101", "PPO1", "x")), "reason": TEXTS},
    optional={"expires": st.sampled_from(("2027-12-31", "2020-01-31", "2027-02-30")) | st.dates(), "resaon": TEXTS},
)


OF_A_FINDING = LOSS.findings[-1].fingerprint
ACCEPTED = {
    "fingerprint": OF_A_FINDING,
    "rule": "PPO101",
    "target": "loss.py:loss",
    "first_seen": "2026-01-31",
    "reason": "y",
}
BASELINE = json.dumps({"schema": SCHEMA, "waivers": [ACCEPTED]})
RULE_FILE = RULE.format(code="ACME001", name="a-rule", family="clip")
TAKEN = (Path(__file__).parents[1] / "gate" / "snapshots" / "gae_cleanrl.json").read_text()
REPORT = render(report(LOSS), "json")


def anything(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value of any shape."""
    keys = st.sampled_from(INNER) | st.text(max_size=5)
    return st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=5
    )


def _tables(names: tuple[str, ...], most: int = 4) -> st.SearchStrategy[dict[str, Any]]:
    values = anything(SCALARS) | st.lists(TEXTS, max_size=3) | st.lists(WAIVER, max_size=2)
    inner = st.dictionaries(st.sampled_from(INNER), SCALARS, max_size=3)
    return st.dictionaries(st.sampled_from((*names, "selct")), values | inner, max_size=most)


def configurations() -> st.SearchStrategy[bytes]:
    """A configuration file: sound, with a key or two replaced, cut up, or of any shape."""
    own = _tables(names_of((*EVERYWHERE, *ONE_TARGET)))
    targets = st.fixed_dictionaries({TARGETS: st.dictionaries(st.sampled_from(SPECS), own, max_size=2)})
    wild = st.builds(lambda table, some: table | some, _tables(NAMES), targets | st.just({}))
    sound = st.lists(st.sampled_from(sorted(SOUND)), unique=True).map(lambda keys: {key: SOUND[key] for key in keys})
    replaced = st.builds(lambda table, changed: table | changed, sound, _tables(NAMES, 1))
    texts = st.one_of(
        sound.map(toml), sound.map(toml), replaced.map(toml), wild.map(toml), _damaged(toml(SOUND)), _damaged(STARTER)
    )
    return _encoded(texts | texts.map(lambda text: f"[tool.ppo-audit]\n{text}"))


def baselines() -> st.SearchStrategy[bytes]:
    """A baseline file."""
    odd = st.dictionaries(st.sampled_from(KEYS), anything(SCALARS) | st.sampled_from(("2027-12-31", "")), max_size=1)
    entries = st.lists(odd.map(lambda changed: ACCEPTED | changed) | st.just(ACCEPTED), max_size=3)
    documents = st.one_of(entries, entries, st.lists(anything(SCALARS))).map(_baseline) | anything(SCALARS)
    return _encoded(documents.map(_json) | _damaged(BASELINE))


def _baseline(waivers: list[Any]) -> dict[str, Any]:
    return {"schema": SCHEMA, "waivers": waivers}


def commented() -> st.SearchStrategy[bytes]:
    """A loss with comments that waive, or nearly."""
    pieces = st.sampled_from(
        (
            "# ppo-audit: ignore",
            "#ppo-audit:ignore",
            "[PPO101]",
            "[PPO101, PPO102]",
            "[",
            "]",
            " - ",
            ":",
            "bounded",
            "\f",
        )
    )
    comments = st.lists(pieces | st.text(max_size=4), max_size=6).map("".join)
    return _encoded(
        st.builds(LOSS_FILE.format, comments, comments)
        | _damaged(LOSS_FILE.format("#", "# ppo-audit: ignore[PPO101] x"))
    )


def rule_files() -> st.SearchStrategy[bytes]:
    """A rule of the user's own, or nearly."""
    return _encoded(_damaged(RULE_FILE))


def stored_reports() -> st.SearchStrategy[bytes]:
    """A report of `check --format json`, as `replay` reads it."""
    return _encoded(_damaged(REPORT) | _replaced(json.loads(REPORT)).map(_json))


def snapshots() -> st.SearchStrategy[bytes]:
    """A snapshot, as `check --against` reads it."""
    return _encoded(_damaged(TAKEN) | _replaced(json.loads(TAKEN)).map(_json))


@st.composite
def _replaced(draw: st.DrawFn, document: Mapping[str, Any]) -> Any:
    """The document with one value somewhere in it replaced, or taken away."""
    whole = json.loads(json.dumps(document))
    place: Any = whole
    for _ in range(draw(st.integers(0, 5))):
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place)))) if place else None
        if key is None or not isinstance(place[key], dict | list):
            break
        place = place[key]
    if place:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if draw(st.booleans()):
            del place[key]
        else:
            place[key] = draw(anything(SCALARS | st.none()))
    return whole


@st.composite
def _damaged(draw: st.DrawFn, text: str) -> str:
    """The text with pieces cut out or put in."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 12, len(text))))
        text = (
            text[:start]
            + draw(st.sampled_from(('"', "[", "]", "{", "=", "\n", "null", "-1", "1e999", "")) | TEXTS)
            + text[end:]
        )
    return text


def _encoded(texts: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    sound = texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    odd = sound.map(lambda body: b"\xef\xbb\xbf" + body) | st.binary(max_size=20)
    return st.one_of(*[sound] * 8, odd)


def _json(value: Any) -> str:
    return json.dumps(value, default=str)


def toml(table: Mapping[str, Any]) -> str:
    """The table as TOML, one key a line."""
    return "".join(f"{_quoted(key)} = {_inline(value)}\n" for key, value in table.items())


def _inline(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_quoted(key)} = {_inline(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case str():
            return _quoted(value)
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=True).replace("\\ud", "\\ue")
