"""Hand-made reports that the writers are tested on."""

from __future__ import annotations

import dataclasses

from ppo_audit.findings import (
    REFERENCE,
    Confidence,
    Curve,
    Finding,
    Fix,
    Location,
    Outcome,
    Remark,
    Report,
    Severity,
    StaleWaiver,
    Status,
    TargetReport,
)

OVERFLOW = Finding(
    rule="PPO101",
    name="ratio-overflow",
    family="ratio",
    severity=Severity.CRITICAL,
    confidence=Confidence.EXACT,
    message="One reachable sample makes the gradient 4.85e8 times its advantage. The clip hides this for A > 0 only.",
    location=Location(
        file="distributional_ppo.py",
        line=41,
        column=13,
        end_line=41,
        end_column=55,
        code="    ratio = torch.exp(torch.clamp(log_ratio, -20, 20))",
    ),
    fingerprint="0123456789abcdef",
    evidence={"largest_multiplier": 485165195.4097903, "finite_up_to": 88.72283, "gradient_at_100": float("nan")},
    counterexample={"log_ratio": 20.0, "advantage": -1.0, "expected": 1.0, "got": 485165195.4097903},
    why="A single stale sample then\nreplaces the update of the whole batch.",
    property="r = exp(log_prob - old_log_prob)\n             |dL/d log_prob| <= 1e6 |A|",
    fix=Fix(
        text="Use the dual clip: `max(min(r A, clip(r) A), c A)` for A < 0.\n\nIts price: no gradient beyond c.",
        diff="-    ratio = torch.exp(log_ratio)\n+    ratio = torch.exp(torch.clamp(log_ratio, -20, 3))",
        verified=True,
        proof="The gradient at log-ratio 20 is now 0.",
    ),
    prevalence="an unguarded exp is in 32 of 33 public implementations read",
    also=("PPO702", "PPO704"),
    references=("arXiv:1707.06347", "arXiv:1912.09729"),
)

SIGN_FLIP = Finding(
    rule="PPO201",
    name="keeps-signs-within-groups",
    family="advantages",
    severity=Severity.SERIOUS,
    confidence=Confidence.MEASURED,
    message="global statistics turn every advantage of the first group negative",
    location=Location(
        file="distributional_ppo.py",
        line=19,
        column=12,
        end_line=20,
        end_column=26,
        code="    return (\n        adv - mean) / (std + 1e-8",
    ),
    fingerprint="aaaa456789abcdef",
    counterexample={
        "advantage": [0.1, 0.2, 0.3, 0.4, 0.5, 5.0, 10.0, 15.0, 15.0],
        "want": "signs kept",
        "got": (-0.67, 0.19),
    },
    variant="clip_range_vf=0.2",
)

GUESSED = Finding(
    rule="PPO207",
    name="weights-discriminate",
    family="advantages",
    severity=Severity.POTENTIAL,
    confidence=Confidence.INFERRED,
    message="95 % of the weights lie in [0.67, 1.49]",
    location=None,
    fingerprint="bbbb456789abcdef",
    fix=Fix(text="lower the temperature"),
)

WAIVED = dataclasses.replace(
    SIGN_FLIP, rule="PPO202", name="normalisation-is-finite", fingerprint="cccc", waiver="minibatches are never of one"
)

OUTCOMES = (
    Outcome("PPO401", "entropy-sign", Status.PASSED, "the entropy gradient is -0.01/N: entropy is maximised"),
    Outcome("PPO302", "value-clip-takes-max", Status.PASSED),
    Outcome("PPO101", "ratio-overflow", Status.FLAGGED),
    Outcome("PPO202", "normalisation-is-finite", Status.WAIVED, "minibatches are never of one"),
    Outcome("PPO501", "masked-entries-never-matter", Status.SKIPPED, "the loss takes no mask"),
    Outcome("PPO503", "all-masked-is-finite", Status.SKIPPED, "the loss takes no mask"),
    Outcome("PPO412", "kl-estimates-the-kl", Status.ERRORED, "ValueError: shapes differ"),
)

LOSS = TargetReport(
    target="distributional_ppo:loss",
    kind="loss",
    file="distributional_ppo.py",
    line=30,
    roles={"log_prob": "parameter `log_probs`", "clip_range": "parameter `eps` = 0.2"},
    profile={"sign": "minimised", "clip": {"low": 0.8, "high": 1.2}, "reduction": "mean", "dual_clip": None},
    outcomes=OUTCOMES,
    findings=(GUESSED, WAIVED, SIGN_FLIP, OVERFLOW),
    remarks=(
        Remark(
            "Double negation", "`entropy_loss` is negated twice; the plainer form subtracts it", Location("a.py", 58)
        ),
    ),
    not_covered=("half precision: nothing in the loss is computed in it",),
    variants=("default", "clip_range_vf=0.2"),
    cases=12345,
    evaluations=67,
    seconds=1.234,
    exit_code=1,
    command="ppo-audit check distributional_ppo:loss --role=old_log_prob=lp -- --steps 8",
)

CURVES = (
    Curve(
        "policy-loss",
        "Policy loss",
        "ratio",
        "loss of one sample",
        (0.5, 1.0, 1.5, 2.0),
        {
            "measured, A = +1": (-0.5, -1.0, -1.2, -1.2),
            f"{REFERENCE}PPO clip, A = +1": (-0.5, -1.0, -1.2, float("nan")),
        },
        "A note.",
    ),
    Curve("kl", "KL term", "log-ratio", "KL", (-1.0, 0.0, 1.0), {"measured": (float("inf"), 0.0, float("nan"))}),
)
DRAWN = dataclasses.replace(LOSS, curves=CURVES)

CLEAN = TargetReport(
    target="clean:loss",
    kind="loss",
    outcomes=(OUTCOMES[0], *OUTCOMES[4:6]),
    roles={"log_prob": "parameter `log_probs`"},
    cases=10,
    evaluations=2,
    seconds=0.5,
)

DECLINED = TargetReport(
    target="nowhere:loss",
    kind="unknown",
    error="no module `nowhere`: expected a module importable from here.\nDid you mean `somewhere`?",
    exit_code=2,
)

NASTY = (
    "\x1b[31mred\x1b[0m [bold]b[/bold] <script>alert(1)</script> | ```\n"
    "# h `c` [x](http://e) *s* __init__ \u202e&lt; :x:"
)


def with_text(text: str) -> TargetReport:
    """A report in which the target had its say everywhere."""
    return TargetReport(
        target=f"pkg:{text}",
        kind="loss",
        file=f"{text}.py",
        line=1,
        roles={text: text},
        profile={text: text, "inner": {text: [text]}},
        outcomes=(
            Outcome("PPO401", "entropy-sign", Status.PASSED, text),
            Outcome("PPO501", "masked-entries-never-matter", Status.SKIPPED, text),
            Outcome("PPO412", "kl-estimates-the-kl", Status.ERRORED, text),
        ),
        findings=(
            dataclasses.replace(
                OVERFLOW,
                message=text,
                location=Location(text, 3, 5, 3, 9, code=f"    x = '{text.splitlines()[0]}'\t# tab"),
                evidence={text: text, "infinite": float("inf"), "nested": {"deep": [float("-inf"), float("nan")]}},
                counterexample={text: text, "expected": text, "got": float("nan")},
                why=text,
                property=text,
                fix=Fix(text=text, diff=f"-{text}\n+x", proof=text),
                variant=text,
                prevalence=text,
            ),
            dataclasses.replace(WAIVED, waiver=text),
        ),
        remarks=(Remark(text, text),),
        stale_waivers=(StaleWaiver(text, "unused", text, text),),
        not_covered=(text,),
        exit_code=1,
    )


HOSTILE = with_text(NASTY)
TRAPS = (
    NASTY,
    "\n::error file=a::pwned\n::stop-commands::x\n##[error]x",
    "]]></failure><x/>\x00\x01\x0b\ufffe\uffff",
    "half a pair \ud800 \udfff, too",
    "</title></style></script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "\" onmouseover='x' {{ 7 * 7 }} {% for %} ${x} %0A%3A:,",
    "C:\\x\\y:z \u2028\u2029\r\nnext",
)
"""Names and messages by which a target could break out of a format."""


def report(*targets: TargetReport) -> Report:
    """A report of a fixed version and date."""
    return Report(targets, version="0.1.0", date="2026-11-21", command="ppo-audit check distributional_ppo:loss")


def many(count: int) -> Report:
    """A report of many findings of all severities in one target, the least severe first."""
    found = [
        dataclasses.replace(
            OVERFLOW, rule=f"PPO{number:03}", severity=Severity(2 - number % 3), fingerprint=f"{number}"
        )
        for number in range(count)
    ]
    outcomes = tuple(Outcome(finding.rule, finding.name, Status.FLAGGED) for finding in found)
    return report(dataclasses.replace(LOSS, findings=tuple(found), outcomes=outcomes))


REPORTS = {
    "worked_example": report(LOSS),
    "no_findings": report(CLEAN),
    "nothing_judged": report(DECLINED),
    "several_targets": report(LOSS, CLEAN, DECLINED),
    "hostile_strings": report(HOSTILE),
    "stale_waiver": report(
        dataclasses.replace(
            CLEAN, stale_waivers=(StaleWaiver("PPO302", "expired", "a.py:7", "it expired on 2026-01-01"),)
        )
    ),
    "no_target": report(),
    "with_curves": report(DRAWN),
}
