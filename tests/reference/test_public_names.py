"""What `ppo_audit.reference` offers, and what importing it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from ppo_audit import reference


@pytest.mark.parametrize("name", reference.__all__)
def test_every_public_name_loads_and_is_documented(name):
    assert inspect.getdoc(getattr(reference, name))


def test_an_unknown_name_is_answered_with_the_offer():
    with pytest.raises(AttributeError, match=r"has no attribute `gea`; it offers .*gae"):
        _ = reference.gea


def test_importing_the_package_imports_no_torch():
    program = "import ppo_audit.reference, sys; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
