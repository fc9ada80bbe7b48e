"""Comments: `# ppo-audit: ignore[PPO302, PPO303] reason`, on the finding's line or directly above it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

from ppo_audit.waivers.waiver import Waiver

COMMENT = re.compile(r"#+\s*ppo-audit:\s*ignore\b(?:\s*\[(?P<rules>[^\]]*)\])?:?(?P<reason>.*)", re.IGNORECASE)
BLANK = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)


def inline_waivers(file: str) -> list[Waiver]:
    """The waivers of one source file, one a rule; one that names no rule or no reason has an empty string there."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(_text(file)).readline))
    except (OSError, UnicodeDecodeError, tokenize.TokenError, SyntaxError):
        return []
    code = sorted({token.start[0] for token in tokens if token.type not in (*BLANK, tokenize.ENDMARKER)})
    return [
        waiver
        for token in tokens
        if token.type == tokenize.COMMENT and (found := COMMENT.match(token.string))
        for waiver in _waivers(found, file, token.start[0], code)
    ]


def _waivers(found: re.Match[str], file: str, line: int, code: list[int]) -> list[Waiver]:
    below = next((number for number in code if number > line), line)
    lines = (line,) if line in code else (line, below)
    rules = [rule.strip().upper() for rule in (found["rules"] or "").split(",") if rule.strip()]
    return [
        Waiver(rule, found["reason"].strip(" -:"), f"{file}:{line}", file=file, lines=lines) for rule in rules or [""]
    ]


def extent(file: str, line: int) -> range:
    """The lines of the function or class that begins at `line`, its decorators included; empty where none does."""
    try:
        tree = ast.parse(_text(file))
    except (OSError, ValueError, SyntaxError, RecursionError):
        return range(0)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min((each.lineno for each in node.decorator_list), default=node.lineno)
            if first <= line <= node.lineno:
                return range(first, (node.end_lineno or node.lineno) + 1)
    return range(0)


def _text(file: str) -> str:
    with tokenize.open(Path(file)) as stream:
        return stream.read()
