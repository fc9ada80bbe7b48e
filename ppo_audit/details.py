"""The 37 implementation details of PPO, and what a loss shows of them.

Huang et al. 2022, "The 37 Implementation Details of Proximal Policy Optimization", ICLR blog track: only a quarter of
them can be seen in a loss; the others live in the loop, the network or the environment, and the card says so.
"""

from __future__ import annotations

from collections.abc import Callable

from ppo_audit.subjects.subject import Subject

LOOP = {
    1: "vectorised fixed-length segments",
    3: "Adam epsilon 1e-5",
    4: "learning rate annealing",
    6: "shuffled minibatches",
    11: "global gradient clipping",
    34: "recurrent state reset at done",
    35: "sequential minibatches for LSTM",
    36: "states rebuilt in training",
    27: "action clipped for the environment, stored unclipped",
}
NETWORK = {
    2: "orthogonal initialisation",
    13: "shared or separate networks",
    21: "shared Nature CNN",
    22: "pixels scaled to [0, 1]",
    24: "state-independent log standard deviation",
    26: "separate networks for continuous control",
    32: "LSTM initialisation",
    33: "zero initial LSTM state",
}
ENVIRONMENT = {
    14: "no-op reset",
    15: "max and skip",
    16: "episodic life",
    17: "fire reset",
    18: "warp frame",
    19: "reward sign clipping",
    20: "frame stack",
    28: "observation normalisation",
    29: "observation clipping",
    30: "reward scaling",
    31: "reward clipping",
}
ELSEWHERE = {5: "GAE with bootstrap (audit the helper that computes it)", 12: "debug variables"}


def details(subject: Subject) -> dict[str, str]:
    """Each detail that the loss shows with what it does there, then where the others live."""
    shown = {f"{number} {name}": look(subject) for (number, name), look in VISIBLE.items()}
    hidden = {"in the loop": LOOP, "in the network": NETWORK, "in the environment": ENVIRONMENT, "elsewhere": ELSEWHERE}
    places = {
        f"not visible in a loss, {place}": ", ".join(f"{number} {name}" for number, name in sorted(items.items()))
        for place, items in hidden.items()
    }
    return shown | places


def _normalisation(subject: Subject) -> str:
    found = subject.profile.normalisation
    if found is None:
        return "differs: advantages are taken as they are given"
    if found.ddof is None:
        return "differs: normalised in a form of its own"
    return f"holds: standard deviation with ddof {found.ddof}, epsilon {found.epsilon:g}"


def _clip(subject: Subject) -> str:
    low, high = subject.profile.clip
    if low is None or high is None:
        return "differs: no clip was measured"
    return f"holds: gradient stops at ratios {low:.4g} and {high:.4g}"


def _value_clip(subject: Subject) -> str:
    if "value" not in subject.anatomy.families:
        return "not here: no value term"
    return (
        "holds: values are clipped around old ones"
        if "value_clip" in subject.profile.claims
        else "differs: plain value loss"
    )


def _total(subject: Subject) -> str:
    terms = subject.anatomy.coefficients
    missing = [name for name in ("policy", "value", "entropy") if name not in terms]
    sums = ", ".join(f"{value:+.4g} {name}" for name, value in terms.items())
    return f"differs: no {' and no '.join(missing)} term ({sums})" if missing else f"holds: {sums}"


def _gaussian(subject: Subject) -> str:
    return (
        "holds: the loss takes mean and spread"
        if subject.available & {"mean", "log_std", "std"}
        else "not visible: log-probs are given"
    )


def _summed(subject: Subject) -> str:
    per_dimension = "log_prob" in subject.layout.tails or "log_prob" in subject.cuts
    return "see PPO111: log-probs are joined inside" if per_dimension else "not visible: log-probs are given joint"


VISIBLE: dict[tuple[int, str], Callable[[Subject], str]] = {
    (7, "advantage normalisation per minibatch"): _normalisation,
    (8, "clipped surrogate"): _clip,
    (9, "value loss clipping"): _value_clip,
    (10, "total loss with entropy bonus"): _total,
    (23, "Gaussian policy"): _gaussian,
    (25, "independent action dimensions summed"): _summed,
    (37, "multi-discrete log-probs summed"): _summed,
}
