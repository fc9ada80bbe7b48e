"""Markdown that no text can break out of: prose, code spans and code blocks."""

from __future__ import annotations

import re

from ppo_audit.reports._text import clean, one_line, sentence


def prose(text: str) -> str:
    """One paragraph in which spans between backticks stay code and nothing else is markup."""
    pieces = re.split(r"(`[^`]+`)", one_line(text))
    return "".join(piece if index % 2 else _escape(piece) for index, piece in enumerate(pieces))


def paragraphs(text: str) -> str:
    """Sentences as prose, with the empty lines of the text between them."""
    return "\n\n".join(prose(sentence(part)) for part in re.split(r"\n\s*\n", text))


def code(text: str) -> str:
    """A code span that holds any text on one line."""
    text = one_line(text)
    ticks = _longer_than("`", text, least=1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}" if text else ""


def fence(text: str, language: str = "text") -> str:
    """A code block that no text can close."""
    text = clean(text).strip("\n")
    marks = _longer_than("`", text, least=3)
    return f"{marks}{language}\n{text}\n{marks}"


def _longer_than(mark: str, text: str, least: int) -> str:
    runs = [len(run) for run in re.findall(f"{re.escape(mark)}+", text)]
    return mark * max([least, *(run + 1 for run in runs)])


def _escape(text: str) -> str:
    # Only what markdown would read as markup: an underscore inside a word or a spaced asterisk stays as written.
    text = re.sub(r"([\\`$~])", r"\\\1", text)
    text = re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text)
    text = re.sub(r"&(?=#?\w+;)", r"\\&", text)
    text = re.sub(r"\*(?!(?<= \*) )", r"\\*", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)
    text = re.sub(r"\](?=[(\[:])", r"\\]", text)
    text = re.sub(r"^(\d+)(?=[.)]( |$))", r"\1\\", text)
    return re.sub(r"^(?=[-+]( |$)|#+( |$)|>|=+$|-+$)", r"\\", text)
