"""Worth considering: practices that are no faults, with their status where it can be measured."""

from __future__ import annotations

from ppo_audit.findings import Remark
from ppo_audit.locate.source import location_of
from ppo_audit.recording.graph import plain
from ppo_audit.subjects.subject import Subject


def remarks(subject: Subject) -> tuple[Remark, ...]:
    """The remarks on one subject, in the order of a review."""
    found = [_double_negation(subject), _sign_convention(subject), _dual_use(subject), *_practices(subject)]
    return tuple(remark for remark in found if remark is not None)


def _double_negation(subject: Subject) -> Remark | None:
    """An entropy that is negated and then added: right, and easy to get wrong at the next edit."""
    run = subject.run(subject.rows(subject.capacity or 8))
    for part in subject.parts(run):
        negations = [op for op in part.ops if plain(op.name) in ("neg", "negative")]
        if part.family == "entropy" and negations and part.probe < 0 and negations[0].site is not None:
            return Remark(
                "double negation",
                "The entropy is negated first and the result added. That is right: entropy is maximised. "
                "`loss = ... - coefficient * entropy` says it plainly.",
                location_of(negations[0].site),
            )
    return None


def _sign_convention(subject: Subject) -> Remark | None:
    if subject.log_prob_sign > 0:
        return None
    return Remark(
        "negative log-probs", "The target takes negative log-probs; the ratio was read as exp(old - new). No fault."
    )


def _dual_use(subject: Subject) -> Remark | None:
    if not {"value_clip"} <= subject.profile.claims or "clip_range_value" in subject.scalars:
        return None
    return Remark(
        "value clip radius",
        "Values are clipped with the policy's clip range, in raw units of return: harmless only where returns are "
        "normalised.",
    )


def _practices(subject: Subject) -> list[Remark]:
    """What a loss cannot show."""
    return [
        Remark("KL early stopping", "Stop the epochs at 1.5 times the target KL. Not visible in a loss."),
        Remark("clip range adaptation", "Keep the clip fraction between 0.1 and 0.3. Not visible in a loss."),
        Remark(
            "value warm-up",
            "Train the critic before the policy after a change of reward or data. Not visible in a loss.",
        ),
    ]
