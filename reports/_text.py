"""Words and numbers as every format prints them. Text of the target is untrusted: it is cleaned here first."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|\x9b[0-?]*[ -/]*[@-~]", re.S
)
UNPRINTABLE = {"Cc", "Cf", "Cs"}
"""Control characters, invisible ones (which reorder text or hide it), and halves of surrogate pairs."""

SYMBOLS = {"exp", "log", "min", "max", "std", "var"}
"""Words that stay small at the beginning of a sentence."""

SHOWN_ITEMS = 8
SHOWN_CHARACTERS = 240


def clean(text: str) -> str:
    """The text without terminal sequences and unprintable characters; line breaks and tabs stay."""
    text = ESCAPE_SEQUENCE.sub("", text.replace("\r\n", "\n"))
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in UNPRINTABLE)


def one_line(text: str) -> str:
    """The clean text with every run of white space turned into one space."""
    return " ".join(clean(text).split())


def sentence(text: str) -> str:
    """One line that begins with a capital, unless it begins with a symbol, and ends with a stop."""
    text = one_line(text)
    if re.match(r"[a-z]+ ", text) and text.split()[0] not in SYMBOLS:
        text = capital(text)
    return text if not text or text[-1] in ".!?:" else f"{text}."


def first_sentence(text: str) -> str:
    """What stands alone: the text up to the first stop that a new sentence follows."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`])", sentence(text), maxsplit=1)[0]


def capital(text: str) -> str:
    """The text with a capital first letter, the others as they are."""
    return text[:1].upper() + text[1:]


def listing(words: Iterable[str]) -> str:
    """`a, b and c`."""
    *head, last = words
    return f"{', '.join(head)} and {last}" if head else last


def number(value: float) -> str:
    """Four significant digits at most, except that whole numbers stay whole."""
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{value}"
    if value == round(value) and abs(value) < 1e5:
        return f"{round(value):,}"
    if 1e3 <= abs(value) < 1e5:
        return f"{value:,.0f}"
    return re.sub(r"e([+-])0*(\d+)", lambda match: f"e{match[1].strip('+')}{match[2]}", f"{value:.4g}")


def show(value: object) -> str:
    """Any value of evidence or profile as short clean text on one line."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{show(key)}: {show(item)}' for key, item in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return _show_items(value)
    return _shorten(one_line(str(value)))


def plural(count: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _show_items(values: Sequence[object]) -> str:
    shown = ", ".join(show(value) for value in values[:SHOWN_ITEMS])
    return f"[{shown}, … {len(values)} in all]" if len(values) > SHOWN_ITEMS else f"[{shown}]"


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
