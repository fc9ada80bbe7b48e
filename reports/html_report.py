"""The report as one HTML file that asks nothing of the network: findings, pictures, what passed and what was skipped.

Every text goes through the template engine's escaping; the page has no script, and its policy forbids any.
"""

from __future__ import annotations

import functools
import inspect
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ppo_audit.findings import Report, Severity, Status
from ppo_audit.reports import _digest as digest
from ppo_audit.reports import _plot
from ppo_audit.reports._explain import case
from ppo_audit.reports._frame import code_frame, place
from ppo_audit.reports._text import clean, first_sentence, listing, number, one_line, plural, sentence, show

NOT_TEXT = re.compile("[\ufffe\uffff]")


def render(report: Report) -> str:
    """The report as one HTML document."""
    return _environment().get_template("report.html").render(report=report) + "\n"


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_cleaned,
    )
    environment.filters |= {
        "prose": _prose,
        "paragraphs": _paragraphs,
        "sentence": sentence,
        "first_sentence": first_sentence,
        "dedent": inspect.cleandoc,
        "show": show,
        "number": number,
        "plural": plural,
        "tried": digest.tried,
        "listing": listing,
        "words": lambda text: one_line(text).replace("_", " "),
    }
    environment.globals |= {
        "digest": digest,
        "plot": _plot,
        "place": place,
        "code_frame": code_frame,
        "case": case,
        "Severity": Severity,
        "Status": Status,
    }
    return environment


def _cleaned(value: object) -> object:
    """What a text prints: without control characters, so that none reaches the file from any place."""
    return NOT_TEXT.sub("", clean(value)) if isinstance(value, str) and not isinstance(value, Markup) else value


def _prose(text: str) -> Markup:
    """One paragraph in which spans between backticks are code."""
    pieces = re.split(r"`([^`]+)`", NOT_TEXT.sub("", one_line(text)))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece) for index, piece in enumerate(pieces)
    )


def _paragraphs(text: str) -> Markup:
    parts = [_prose(sentence(part)) for part in re.split(r"\n\s*\n", text) if part.strip()]
    return Markup("").join(Markup("<p>{}</p>").format(part) for part in parts)
