"""What a comparison says: regions, folded numbers, the line, the smallest input, revisions and exit codes."""

import json
import math
import subprocess

import pytest

from ppo_audit import cli
from ppo_audit.corpus import catalogue
from ppo_audit.errors import UsageError
from ppo_audit.gate.compare import region
from ppo_audit.gate.revisions import LOSSES
from ppo_audit.gate.store import folded, read, unfolded
from ppo_audit.reference import losses

LABELS = {
    "advantage": ("A<0", "A<0", "A<0", "A>0", "A>0", "A>0"),
    "ratio": ("ratio below 0.5", "ratio 1.2 to 3", "ratio above 3") * 2,
}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([2], "A<0, ratio above 3"),
        ([1, 2], "A<0, ratio above 1.2"),
        ([0, 4, 5], "A<0, ratio below 0.5; A>0, ratio above 1.2"),
        ([0, 1, 2], "A<0"),
        ([2, 5], "ratio above 3"),
        ([0, 1, 2, 3, 4, 5], ""),
    ],
)
def test_a_region_is_what_the_moved_rows_have_in_common(rows, said):
    assert region(rows, 6, LABELS) == said


def test_numbers_survive_folding():
    numbers = (0.25, 0.25, -1e-300, math.inf, -math.inf, 0.0, 0.0, 1 / 3)
    assert unfolded(folded(numbers, 17)) == numbers
    assert folded((0.25, 0.25, math.nan), 13) == "0.25*2 nan"


@pytest.fixture
def target(tmp_path, monkeypatch):
    path = tmp_path / "loss.py"
    path.write_text((catalogue.FOLDER / "plain_min.py").read_text())
    monkeypatch.chdir(tmp_path)
    return path


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    return stop.value.code or 0


def break_clip(path):
    path.write_text("# a line more\n" + path.read_text().replace("torch.min(surr1, surr2)", "surr1"))


def test_a_snapshot_is_taken_and_then_compared_with(target, capsys):
    assert run("snapshot", "loss.py:loss", "-o", "loss.json") == 0
    assert run("check", "--against", "loss.json") == 0
    assert "SAME" in capsys.readouterr().out
    target.write_text("# lines\n# above\n" + target.read_text())
    assert run("check", "--against", "loss.json") == 0
    break_clip(target)
    assert run("check", "--against", "loss.json") == 1
    assert "A<0, ratio below 0.8; A>0, ratio above 1.2" in capsys.readouterr().out


def test_a_diff_names_the_operation_and_the_smallest_input(target, capsys):
    other = target.with_name("other.py")
    other.write_text(target.read_text())
    break_clip(other)
    assert run("diff", "loss.py:loss", "other.py:loss", "--format", "json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == 1
    assert told["since"]["place"].startswith("other.py:")
    assert {role: len(rows) for role, rows in told["smallest"].items()} == dict.fromkeys(told["smallest"], 1)


def test_two_revisions_of_one_target_are_compared(target, capsys):
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "right")):
        subprocess.run([*git, *command], check=True)
    break_clip(target)
    assert run("diff", "HEAD:loss.py:loss", "loss.py:loss") == 1
    assert run("diff", "HEAD:loss.py:loss", "loss.py:loss@HEAD") == 0
    assert run("diff", "nowhere:loss.py:loss", "loss.py:loss") == 2
    assert "expected a revision" in capsys.readouterr().err


def test_what_is_no_snapshot_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(UsageError, match="is no snapshot"):
        read(tmp_path / "x.json")
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "y.json")


def test_a_loss_is_compared_with_a_published_one(target, capsys):
    assert run("diff", "loss.py:loss", "reference:ppo-clip") == 0
    assert run("diff", "loss.py:loss", "reference:ppo_dual_clip") == 1
    assert "A<0, ratio above 3" in capsys.readouterr().out
    assert run("diff", "loss.py:loss", "reference:ppo_dula_clip") == 2
    assert "Did you mean `ppo_dual_clip`?" in capsys.readouterr().err


def test_published_losses_are_those_of_the_reference():
    own = [name for name, value in vars(losses).items() if getattr(value, "__module__", "") == losses.__name__]
    assert sorted(own) == sorted(LOSSES)


def test_a_target_has_its_settings_from_the_configuration(target, capsys):
    target.write_text(target.read_text().replace("old_log_prob", "lp_kept").replace("logp_old", "lp_kept"))
    configured = '[targets."loss.py:loss"]\nset = { clip = 0.5 }'
    target.with_name("ppo-audit.toml").write_text(configured)
    assert run("snapshot", "loss.py:loss") == 0
    assert json.loads(capsys.readouterr().out)["settings"]["values"] == [["clip", 0.5]]


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("print('chatter'); return -(log_prob * advantage).mean()", 0, ""),
        ("import os; os._exit(0)", 2, "ended the process with exit code 0"),
        ("import os; os.kill(os.getpid(), 9)", 3, "SIGKILL"),
        ("raise ValueError('no')", 2, "ValueError: no"),
    ],
)
def test_a_snapshot_is_taken_where_its_target_harms_nobody(target, capsys, body, code, said):
    target.write_text(f"def loss(log_prob, old_log_prob, advantage):\n    {body}\n")
    assert run("snapshot", "loss.py:loss") == code
    told = capsys.readouterr()
    assert said in told.err
    assert "chatter" not in told.out
