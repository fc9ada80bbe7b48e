"""Words and numbers as a reader wants them."""

from __future__ import annotations

import pytest

from ppo_audit.reports._text import clean, first_sentence, listing, number, sentence, show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (485165195.4097903, "4.852e8"),
        (22026.465794806718, "22,026"),
        (88.72283905206835, "88.72"),
        (-1.0, "-1"),
        (-0.0, "0"),
        (0.1 + 0.2, "0.3"),
        (1e-9, "1e-9"),
        (1e300, "1e300"),
        (12345, "12,345"),
        (float("nan"), "NaN"),
        (-float("inf"), "-inf"),
    ],
)
def test_numbers_have_few_digits(value: float, text: str):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "yes"),
        ([1, 2.0], "[1, 2]"),
        (range(20), "[0, 1, 2, 3, 4, 5, 6, 7, … 20 in all]"),
        ({"a": {"b": 1}}, "{a: {b: 1}}"),
        ("x" * 300, "x" * 240 + "…"),
    ],
)
def test_values_are_short(value: object, text: str):
    assert show(value) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a banked gain still has a gradient", "A banked gain still has a gradient."),
        ("exp overflows", "exp overflows."),
        ("k1 can be negative", "k1 can be negative."),
        ("exp(x) overflows!", "exp(x) overflows!"),
        ("`x` is\n  wrong", "`x` is wrong."),
        ("", ""),
    ],
)
def test_sentences(text: str, expected: str):
    assert sentence(text) == expected


def test_the_first_sentence_does_not_stop_at_a_decimal_point():
    assert first_sentence("the KL is 0.318, not 0.693. It should agree.") == "The KL is 0.318, not 0.693."


def test_listing():
    assert [listing(words) for words in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mx\x1b[0m",
        "\x1b]0;title\x07x",
        "\x1b]8;;http://e\x1b\\x",
        "\x9b31mx",
        "\u202ex\u2066",
        "x\x00\r",
        "x\ud800",
    ],
)
def test_clean_leaves_only_what_can_be_seen(text: str):
    assert clean(text) == "x"
