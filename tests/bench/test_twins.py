"""A faulty loss is audited, located and repaired in at most twice the time of a correct one."""

import pytest

from tests.bench.twins import ratio, twins

MOST = 2.0


def test_locating_what_was_found_at_most_doubles_an_audit(capsys: pytest.CaptureFixture[str]):
    pairs = list(twins())
    with capsys.disabled():
        print(f"\n{len(pairs)} faulty losses take {ratio(pairs):.2f} times as long as their correct twins")
    assert ratio(pairs) <= MOST, pairs
