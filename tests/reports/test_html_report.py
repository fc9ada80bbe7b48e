"""The HTML report is one file that asks for nothing, whose structure no text of the target can change."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from syrupy.assertion import SnapshotAssertion

from ppo_audit.reports import html_report
from tests.reports.samples import LOSS, REPORTS, TRAPS, report, with_text

VOID = {"meta", "link", "br", "line", "polyline"}
LOADING = {"src", "srcset", "action", "formaction", "poster", "data", "background", "ping"}


class Page(HTMLParser):
    """Tags in order, attributes, and whatever was left open or closed twice."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def values(self, name: str) -> list[str | None]:
        return [value for _, key, value in self.attributes if key == name]


PAGES = {name: Page(html_report.render(given)) for name, given in REPORTS.items()}


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str, html_file: SnapshotAssertion):
    assert html_report.render(REPORTS[name]) == html_file


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
class TestEveryPage:
    def test_is_balanced(self, page: Page):
        assert page.open == []
        assert page.unbalanced == []

    def test_asks_nothing_of_the_network(self, page: Page):
        links = [value or "" for value in page.values("href")]
        assert all(link.startswith(("#", "data:,")) for link in links)
        assert LOADING.isdisjoint(name for _, name, _ in page.attributes)
        assert "default-src 'none'" in (page.values("content")[1] or "")

    def test_has_no_script_and_no_handler(self, page: Page):
        assert "script" not in page.tags
        assert not any(name.startswith("on") for _, name, _ in page.attributes)

    def test_is_accessible(self, page: Page):
        ids = page.values("id")
        labels = [label for value in page.values("aria-labelledby") for label in (value or "").split()]
        assert len(ids) == len(set(ids))
        assert set(labels) <= set(ids)
        assert set(page.values("href")) - {"data:,"} <= {f"#{name}" for name in ids}
        assert (page.values("lang"), page.tags.count("h1"), page.tags.count("main")) == (["en"], 1, 1)


class TestHostileText:
    @pytest.mark.parametrize("text", TRAPS)
    def test_the_page_has_the_structure_of_the_same_report_with_harmless_text(self, text: str):
        hostile, harmless = (Page(html_report.render(report(with_text(given)))) for given in (text, "`c` x"))
        plain = ("code", "p")
        assert [tag for tag in hostile.tags if tag not in plain] == [tag for tag in harmless.tags if tag not in plain]
        assert {name for _, name, _ in hostile.attributes} == {name for _, name, _ in harmless.attributes}

    @pytest.mark.parametrize("text", TRAPS)
    def test_no_control_character_is_left(self, text: str):
        rendered = html_report.render(report(with_text(text)))
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff\ufffe\uffff]", rendered)

    def test_the_template_language_of_the_target_stays_text(self):
        assert "{{ 7 * 7 }}" in html_report.render(report(with_text("{{ 7 * 7 }}")))


class TestContent:
    text = html_report.render(report(LOSS))

    @pytest.mark.parametrize(
        "part",
        [
            "One reachable sample makes the gradient 4.85e8 times its advantage.",
            "41 │ ratio = torch.exp(torch.clamp(log_ratio, -20, 20))",
            "|dL/d log_prob| &lt;= 1e6 |A|",
            "log_ratio = 20, advantage = -1: expected 1, got 4.852e8",
            "+    ratio = torch.exp(torch.clamp(log_ratio, -20, 3))",
            "The entropy gradient is -0.01/N: entropy is maximised.",
            "PPO501 masked-entries-never-matter, PPO503 all-masked-is-finite: The loss takes no mask.",
            "Waived: Minibatches are never of one.",
            "clip low",
        ],
    )
    def test_it_says(self, part: str):
        assert part in self.text


class TestPictures:
    page = PAGES["with_curves"]

    def test_there_is_a_line_for_each_finite_piece_and_each_legend_entry(self):
        points = [value or "" for value in self.page.values("points")]
        assert "0,4 28,4" in points
        assert [len(value.split()) for value in points if value != "0,4 28,4"] == [4, 3, 1]

    def test_no_point_is_off_the_picture(self):
        pairs = [pair.split(",") for value in self.page.values("points") for pair in (value or "").split()]
        assert all(0 <= float(x) <= 460 and 0 <= float(y) <= 290 for x, y in pairs)

    def test_each_has_a_title_for_those_who_do_not_see_it(self):
        assert self.page.values("role") == ["img", "img"]

    def test_without_curves_there_is_none(self):
        assert "svg" not in PAGES["worked_example"].tags
