"""One-line faults of `cleanrl_manner.py`: each is written to a script of its own and must be found at its line."""

from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("cleanrl_manner.py")


@dataclass(frozen=True)
class ScriptFault:
    """One edit of the correct script, the rule that owns it, and the rules that this finding explains."""

    name: str
    old: str
    new: str
    rule: str
    also: tuple[str, ...] = ()


FAULTS = (
    ScriptFault(
        "entropy_sign_flipped",
        old="pg_loss - args.ent_coef * entropy_loss",
        new="pg_loss + args.ent_coef * entropy_loss",
        rule="PPO401",
    ),
    ScriptFault(
        "max_for_min_in_surrogate",  # the script negates before it compares, so its max is the paper's min
        old="torch.max(pg_loss1, pg_loss2)",
        new="torch.min(pg_loss1, pg_loss2)",
        rule="PPO103",
        also=("PPO102",),
    ),
    ScriptFault(
        "min_for_max_in_value_clip",
        old="torch.max(v_loss_unclipped, v_loss_clipped)",
        new="torch.min(v_loss_unclipped, v_loss_clipped)",
        rule="PPO302",
    ),
    ScriptFault(
        "variance_for_deviation",
        old="mb_advantages.std()",
        new="mb_advantages.var()",
        rule="PPO203",
    ),
    ScriptFault(
        "entropy_not_summed",
        old="probs.entropy().sum(1)",
        new="probs.entropy()",
        rule="PPO402",
    ),
    ScriptFault(
        "values_broadcast",
        old="(newvalue.view(-1) - b_returns[mb_inds])",
        new="(newvalue - b_returns[mb_inds])",
        rule="PPO508",
        also=("PPO301", "PPO507"),
    ),
)


def write(fault: ScriptFault, folder: Path) -> Path:
    """Write the script with `fault` in it into `folder`; return where it is."""
    faulty = folder / f"{fault.name}.py"
    faulty.write_text(SCRIPT.read_text().replace(fault.old, fault.new))
    return faulty


def edited_line(fault: ScriptFault) -> int:
    """Number of the line that `fault` edits, counted from 1."""
    return next(number for number, line in enumerate(SCRIPT.read_text().splitlines(), start=1) if fault.old in line)
