"""The pages of `docs/rules/`, from the same text that `explain` prints: `python -m ppo_audit.rule_pages docs/rules`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ppo_audit.rules import HEADINGS, Page, catalogue

INDEX = "README.md"


def pages() -> Mapping[str, str]:
    """File name -> text: one page a rule, and an index."""
    rules = catalogue().values()
    return {f"{page.rule.code}.md": markdown(page) for page in rules} | {INDEX: index()}


def markdown(page: Page) -> str:
    """One rule as markdown; what is laid out by hand in the docstring stays as it is."""
    rule = page.rule
    head = f"# {rule.code} {rule.name}\n\n{page.title}\n\n*{rule.severity.label}, {rule.family}*\n"
    parts = [f"## {heading}\n\n```text\n{_dedented(page.sections[heading])}\n```\n" for heading in HEADINGS]
    return "\n".join([head, *parts])


def _dedented(text: str) -> str:
    """The text without the hanging indent of the docstring."""
    return "\n".join(line.removeprefix(" " * 11) for line in text.splitlines())


def index() -> str:
    """All rules in a table."""
    return "\n".join(["# The rules", "", "| rule | severity | property |", "|---|---|---|", *_rows(), ""])


def _rows() -> Iterator[str]:
    for page in catalogue().values():
        title = page.title.replace("|", "\\|")
        yield f"| [{page.rule.code} {page.rule.name}]({page.rule.code}.md) | {page.rule.severity.label} | {title} |"


def main(folder: Path) -> None:
    """Write all pages, and remove those of rules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = pages()
    for stale in (path for path in folder.glob("*.md") if path.name not in texts):
        stale.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
