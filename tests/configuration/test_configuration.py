"""The configuration file: found upwards, read strictly, laid between the defaults and the command line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ppo_audit import cli
from ppo_audit.configuration.document import find
from ppo_audit.configuration.keys import EVERYWHERE, FIRST, ONE_TARGET, TARGETS, WHOLE_RUN, Given
from ppo_audit.configuration.layers import Configuration, explained, read_configuration, settings_of
from ppo_audit.configuration.starter import starter
from ppo_audit.declared import VARIANTS, compare
from ppo_audit.errors import Complaints, UsageError
from ppo_audit.findings import Severity
from ppo_audit.settings import Settings

LOSS = """
import torch

def loss(log_prob, lp_prev, advantages, clip_range=0.2):
    ratio = (log_prob - lp_prev).clamp(-10, 10).exp()
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configuration(text: str, name: str = "ppo-audit.toml") -> Configuration:
    Path(name).write_text(text, encoding="utf-8")
    complaints = Complaints()
    found = read_configuration(find(Path.cwd()), complaints)
    complaints.stop()
    return found


def settings(text: str, **command_line: object) -> Settings:
    given = {name: Given(value, "command line") for name, value in command_line.items()}
    return settings_of(configuration(text), given)


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as stop:
        configuration(text)
    return str(stop.value)


class TestFinding:
    def test_nothing_is_found_where_nothing_is(self):
        assert find(Path.cwd()) is None

    def test_a_folder_above_counts(self, here, monkeypatch):
        (here / "ppo-audit.toml").write_text("seed = 4")
        (here / "a" / "b").mkdir(parents=True)
        monkeypatch.chdir(here / "a" / "b")
        assert find(Path.cwd()).tables == {"seed": 4}

    def test_a_shared_file_without_our_table_is_passed_over(self, here, monkeypatch):
        (here / "ppo-audit.toml").write_text("seed = 4")
        (here / "a").mkdir()
        (here / "a" / "pyproject.toml").write_text("[tool.ruff]\n")
        monkeypatch.chdir(here / "a")
        assert find(Path.cwd()).path.name == "ppo-audit.toml"

    def test_our_own_file_goes_before_a_shared_one(self):
        Path("pyproject.toml").write_text("[tool.ppo-audit]\nseed = 5")
        assert settings("seed = 4").seed == 4

    def test_the_table_of_a_shared_file_is_read(self):
        found = configuration("[tool.ppo-audit]\nseed = 5", "pyproject.toml")
        assert settings_of(found, {}).seed == 5

    @pytest.mark.parametrize("text", ["seed = ", "seed = 1\nseed = 2", "\x00"])
    def test_what_is_no_toml_is_refused_by_name(self, text: str):
        assert "`ppo-audit.toml` is no valid TOML" in refusal(text)

    def test_what_is_no_text_is_refused_by_name(self, here):
        (here / "ppo-audit.toml").write_bytes(b"\xff\xfe")
        with pytest.raises(UsageError, match=r"`ppo-audit\.toml` cannot be read"):
            find(Path.cwd())


class TestReading:
    def test_every_key_becomes_a_setting(self):
        found = settings(
            """
            select = ["PPO1"]
            ignore = ["ratio-overflow"]
            fail-on = "never"
            device = "cuda"
            seed = 7
            script-args = ["--steps", "8"]
            severities = { ratio-overflow = "potential" }
            thresholds = { flat_weights = 0.8 }
            tolerances = { float32 = 1e-3 }
            baseline = "known.json"
            strict-waivers = true
            """
        )
        assert found.ignore == ("PPO101",)
        assert "PPO102" in found.select
        assert found.fail_on is None
        assert (found.device, found.seed, found.script_args) == ("cuda", 7, ("--steps", "8"))
        assert found.severities == (("PPO101", Severity.POTENTIAL),)
        assert found.thresholds == (("flat_weights", 0.8),)
        assert found.tolerances == (("float32", 0.001),)
        assert (found.baseline, found.strict_waivers) == ("known.json", True)

    def test_a_target_has_settings_of_its_own_beside_the_common_ones(self):
        found = settings(
            """
            seed = 3
            [targets."losses.py:loss"]
            roles = { old_log_prob = "lp_prev" }
            set = { clip_range = 0.1, reference = "none" }
            inputs = "losses.py:make"
            declared = "dapo"
            """
        )
        own = found.of("./losses.py:loss")
        assert own.roles == (("old_log_prob", "lp_prev"),)
        assert own.values == (("clip_range", 0.1), ("reference", None))
        assert (own.inputs, own.declared, own.seed) == ("losses.py:make", "dapo", 3)
        assert found.of("other.py:loss") == found

    def test_paths_are_those_seen_from_the_file(self, here, monkeypatch):
        (here / "sub").mkdir()
        (here / "ppo-audit.toml").write_text('targets = ["losses.py:loss", "pkg.mod:loss"]')
        monkeypatch.chdir(here / "sub")
        assert list(read_configuration(find(Path.cwd()), Complaints()).targets) == ["../losses.py:loss", "pkg.mod:loss"]

    def test_settings_are_plain_data(self):
        found = settings('[targets."a.py:f"]\nwaivers = [{ rule = "PPO101", reason = "known" }]')
        assert pickle.loads(pickle.dumps(found)) == found


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('fail_on = "serious"', "`fail_on` is no key here. Did you mean `fail-on`?"),
            ('select = "PPO1"', "`select`: expected a list of strings, got a string ('PPO1')"),
            ('select = ["PPO011"]', "`select`: `PPO011` is no rule; expected a code"),
            ("seed = true", "`seed`: expected an integer from 0 on, got true"),
            ("seed = -1", "`seed`: expected an integer from 0 on, got an integer (-1)"),
            ('fail-on = "seriou"', "Did you mean `serious`?"),
            ("thresholds = { flat_weight = 1 }", "`flat_weight` is no key here. Did you mean `flat_weights`?"),
            ("thresholds = { flat_weights = nan }", "expected a number above 0, got a number (nan)"),
            ("tolerances = { float31 = 1e-3 }", "Did you mean `float32`?"),
            ('severities = { PPO101 = "high" }', "expected one of critical, serious, potential"),
            ('roles = { old_logprob = "x" }', "`old_logprob` is no key here. Did you mean `old_log_prob`?"),
            ("set = { clip_range = [1] }", "expected a string, a number, or true or false, got a list ([1])"),
            ('targets = "a.py:f"', "`targets`: expected a list of targets, or a table"),
            ('targets."a.py:f" = 3', "expected a table, got an integer (3)"),
            ('targets."a.py:f".declared = "dapoo"', "Did you mean `dapo`?"),
            ('targets."a.py:f".fail-on = "never"', "`fail-on` is no key here."),
            ('waivers = [{ rule = "PPO101" }]', "`waivers` number 1: `reason` is missing"),
            ('waivers = [{ rule = "PPO101", reason = " " }]', "`reason`: expected a string"),
            ('waivers = [{ rule = "PPO101", reason = "x", expires = "soon" }]', "expected a date such as 2027-01-31"),
        ],
    )
    def test_what_is_wrong_says_what_was_expected(self, text: str, message: str):
        assert message in refusal(text)

    def test_all_of_it_is_told_at_once(self):
        message = refusal('seed = "x"\nfail-on = 1\nselekt = []\n[targets."a.py:f"]\nroles = 3')
        assert [word for word in ("`seed`", "`fail-on`", "`selekt`", "`roles`") if word not in message] == []

    def test_the_command_line_ends_with_2_and_no_traceback(self, here, capsys):
        (here / "ppo-audit.toml").write_text("seed = 'x'")
        with pytest.raises(SystemExit) as stop:
            cli.main(["check", "a.py:f"])
        assert stop.value.code == 2
        assert "Traceback" not in capsys.readouterr().err


class TestLayers:
    def test_the_command_line_goes_before_the_file(self):
        assert settings("seed = 4", seed=5).seed == 5

    def test_pairs_of_the_command_line_are_added(self):
        found = settings("set = { a = 1, b = 2 }", values=(("b", 3), ("c", 4)))
        assert dict(found.values) == {"a": 1, "b": 3, "c": 4}

    def test_the_command_line_goes_before_the_table_of_a_target(self):
        found = settings('targets."a.py:f" = { seed = 4, ignore = ["PPO1"] }', seed=5)
        assert found.of("a.py:f").seed == 5
        assert found.of("a.py:f").ignore != ()

    def test_where_each_value_comes_from_is_told(self):
        lines = explained(configuration("seed = 4"), {"device": Given("cuda", "command line")})
        shown = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
        assert shown["seed"] == "4 (ppo-audit.toml `seed`)"
        assert shown["device"] == "cuda (command line)"
        assert shown["fail-on"] == "serious (default)"

    def test_show_settings_audits_nothing(self, here, capsys):
        (here / "ppo-audit.toml").write_text('targets = ["nowhere.py:loss"]')
        with pytest.raises(SystemExit) as stop:
            cli.main(["check", "--show-settings"])
        assert stop.value.code in (0, None)
        assert "fail-on" in capsys.readouterr().out


class TestInit:
    def test_it_writes_what_is_read_without_complaint(self):
        assert configuration(starter(("a.py:f",))).targets == {"a.py:f": {}}

    def test_every_key_is_explained_and_valid_once_uncommented(self):
        text = starter(("a.py:f",)).replace('targets = ["a.py:f"]\n', "").replace('rules = ["ppo_rules"]', "rules = []")
        is_code = lambda line: line.startswith("# ") and (" = " in line or line.startswith("# ["))
        bare = "\n".join(line[2:] for line in text.splitlines() if is_code(line) and "`" not in line)
        found = configuration(bare)
        keys = {key.field for key in (*FIRST, *EVERYWHERE, *WHOLE_RUN)}
        assert keys - found.common.keys() <= {"roles", "values"}
        assert {key.field for key in ONE_TARGET} | {"roles", "values"} <= found.targets[
            "mypackage.losses:ppo_loss"
        ].keys()
        assert TARGETS in text

    def test_it_leaves_an_existing_file_alone(self, here, capsys):
        (here / "ppo-audit.toml").write_text("seed = 4")
        with pytest.raises(SystemExit) as stop:
            cli.main(["init"])
        assert stop.value.code == 2
        assert "exists and is left as it is" in capsys.readouterr().err
        assert (here / "ppo-audit.toml").read_text() == "seed = 4"


class TestMeasuring:
    @pytest.fixture(autouse=True)
    def loss(self, here) -> None:
        (here / "losses.py").write_text(LOSS)

    def audit(self, text: str):
        from ppo_audit.api import audit_targets

        (target,) = audit_targets(["losses.py:loss"], settings(text)).targets
        return target

    def test_a_check_without_a_target_takes_those_of_the_file(self, here, capsys):
        (here / "ppo-audit.toml").write_text('select = ["PPO102"]\ntargets = ["losses.py:loss"]')
        with pytest.raises(SystemExit) as stop:
            cli.main(["check"])
        assert stop.value.code == 0
        assert "PPO102 clip-stops-gains" in capsys.readouterr().out

    def test_a_severity_of_the_file_decides_the_exit_code(self):
        tight = 'select = ["PPO109"]\nthresholds = { tight_log_ratio_clamp = 20 }\n'
        assert self.audit(tight).findings[0].severity is Severity.SERIOUS
        found = self.audit(tight + 'severities = { PPO109 = "potential" }')
        assert (found.findings[0].severity, found.exit_code) == (Severity.POTENTIAL, 0)

    def test_a_threshold_of_the_file_holds(self):
        assert self.audit('select = ["PPO109"]').findings[0].severity is Severity.POTENTIAL

    def test_a_tolerance_of_the_file_holds(self, here):
        (here / "losses.py").write_text(LOSS.replace("(log_prob - lp_prev)", "((log_prob - lp_prev) * 1.001)"))
        assert len(self.audit('select = ["PPO105"]').findings) == 1
        assert len(self.audit('select = ["PPO105"]\ntolerances = { float64 = 1e-5 }').findings) == 0

    def test_a_declared_variant_is_compared_with_the_measured_one(self):
        remark = lambda name: self.audit(f'targets."losses.py:loss".declared = "{name}"').remarks[0].text
        assert "measured to be so: PPO-clip" in remark("ppo-clip")
        assert "MISMATCH: declared `gspo`" in remark("gspo")


@pytest.mark.parametrize(
    ("measured", "names"),
    [
        ("PPO-clip", ["ppo-clip"]),
        ("PPO-clip, dual clip at 3", ["ppo-dual-clip"]),
        ("PPO-clip, mean over tokens, then over sequences", ["ppo-clip", "grpo"]),
        ("PPO-clip, clip-higher, mean over tokens", ["dapo"]),
        ("PPO-clip, divided by a constant length", ["ppo-clip", "dr_grpo"]),
        ("GSPO, mean over tokens, then over sequences", ["gspo"]),
        ("CISPO (weights capped at 5), mean over tokens", ["cispo"]),
    ],
)
def test_a_measured_variant_fits_its_own_names_only(measured: str, names: list[str]):
    fitting = [name for name in VARIANTS if "MISMATCH" not in compare(name, {"variant": measured}).text]
    assert set(names) <= set(fitting) <= {*names, "dr_grpo"}


def test_a_variant_that_cannot_be_measured_is_said_to_be_untested():
    assert "was not tested" in compare("grpo", {}).text
