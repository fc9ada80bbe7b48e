"""The designed batches of a loss: strata that tell right from wrong, each row with the labels that name its region.

Log-ratios stay off the kinks of common clips, so that equal functions have equal gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ppo_audit.gate.grids import ordinary, product, spread
from ppo_audit.subjects.batch import LOG_PROBS, Batch, Layout

Labels = Mapping[str, tuple[str, ...]]
ROWS, TOKENS = 8, 5
LOG_RATIOS = (-2.6, -1.3, -0.6, -0.27, -0.215, -0.21, -0.12, -0.03, 0.0, 0.04, 0.13, 0.19, 0.25, 0.6, 1.3, 2.5)
ADVANTAGES = (-1.7, -0.4, 0.6, 1.9)
FAR = (6.0, 15.0, 45.0, 95.0, 200.0)
STEPS_OF_VALUE = (-1.5, -0.45, -0.17, -0.05, 0.07, 0.16, 0.46, 1.4)
TARGETS_OF_VALUE = (-2.3, -0.31, 0.11, 0.33, 2.1)
SINGLE_TOO = frozenset(("ordinary rows", "log-ratios", "values", "wide rows"))
RATIO_BINS = ((0.5, "ratio below 0.5"), (0.8, "ratio 0.5 to 0.8"), (1.2, "ratio 0.8 to 1.2"), (3.0, "ratio 1.2 to 3"))
RATIO_LAST = "ratio above 3"
VALUE_BINS = ((0.1, "value within 0.1 of the old one"), (0.2, "value within 0.2 of the old one"))


@dataclass(frozen=True)
class Case:
    """One designed batch. `dtype` names the dtype of its floating-point inputs; `options` those not at their default.

    `labels` gives every row a place in each of several classifications, from which a region is named.
    """

    name: str
    batch: Mapping[str, Any] = field(repr=False)
    labels: Labels = field(default_factory=dict, repr=False)
    dtype: str = "float64"
    options: tuple[tuple[str, float | bool | str], ...] = ()


@dataclass(frozen=True)
class Design:
    """What the batches are made for: a layout, the roles that a batch may set, and a fixed number of rows or none."""

    layout: Layout
    roles: frozenset[str]
    capacity: int | None = None

    def batch(self, rows: int = ROWS, tokens: int | None = None, **given: torch.Tensor) -> dict[str, Any]:
        """Ordinary rows with some roles given; a fixed number of rows repeats what is given."""
        count = self.capacity or rows
        layout = self.layout.tokens(tokens) if tokens and self.is_tokens else self.layout
        batch: dict[str, Any] = ordinary(layout, self.roles, count)
        for role, values in given.items():
            if role in self.roles:
                fitted = values[torch.arange(count) % len(values)]
                batch[role] = layout.lay(role, fitted)
        return batch

    @property
    def is_tokens(self) -> bool:
        return self.capacity is None and self.layout.name.startswith("tokens")

    def has(self, *roles: str) -> bool:
        return self.roles.issuperset(roles)


def cases(design: Design) -> list[Case]:
    """Every case for float64, some again in float32, and ordinary rows in half precision."""
    found = [case for stratum in STRATA for case in stratum(design)]
    single = [Case(c.name, c.batch, c.labels, "float32") for c in found if c.name in SINGLE_TOO]
    far = [Case(c.name, c.batch, c.labels, "float32") for c in found if c.name.startswith("log-ratios of")]
    halves = [Case("ordinary rows", design.batch(tokens=TOKENS), {}, dtype) for dtype in ("bfloat16", "float16")]
    return [*found, *single, *far, *halves]


def wide(design: Design) -> Case:
    """Rows on both sides of every clip at once, some of them masked: what options are tried on."""
    ratio, advantage = product((-0.9, -0.35, -0.08, 0.11, 0.5, 0.9), (-1.1, 0.7))
    batch: dict[str, Any] = {**_off_policy(design, design.batch(len(ratio), TOKENS, advantage=advantage), ratio)}
    if {"old_value", "value"} <= batch.keys() and _like(batch, "value", "old_value"):
        batch["value"] = batch["old_value"] + spread("beyond", tuple(batch["value"].shape), 0.5)
    return Case("wide rows", _ragged(design, batch))


def _ordinary(design: Design) -> Iterator[Case]:
    yield Case("ordinary rows", design.batch(tokens=TOKENS))
    yield wide(design)
    if design.capacity is None:
        yield Case("another number of rows", design.batch(5, TOKENS + 1))
        yield Case("one row", design.batch(1))
        yield Case("sixteen rows", design.batch(16, TOKENS))


def _references(design: Design) -> Iterator[Case]:
    """A penalty that is all that is left, where its terms nearly cancel."""
    if not design.has("log_prob", "ref_log_prob"):
        return
    batch = design.batch(advantage=torch.zeros(ROWS, dtype=torch.float64))
    near = batch["ref_log_prob"]
    assert isinstance(near, torch.Tensor)
    for size in (1e-5, 1.0):
        moved = spread("log_prob", tuple(near.shape), size)
        yield Case(
            f"advantages of 0 and log-probs within {size:g} of the reference", batch | {"log_prob": near + moved}
        )


def _log_ratios(design: Design) -> Iterator[Case]:
    if not design.has("log_prob", "old_log_prob"):
        return
    ratio, advantage = product(LOG_RATIOS, ADVANTAGES)
    yield Case("log-ratios", *_at(design, ratio, advantage))
    for far in FAR:
        yield Case(f"log-ratios of {far:g}", *_at(design, *product((-far, far), (-1.3, 0.8))))
    tiny = _at(design, *product((-1e-6, 2e-6), (0.0,)))
    yield Case("advantages of 0 and log-ratios near 0", *tiny)


def _at(design: Design, ratio: torch.Tensor, advantage: torch.Tensor) -> tuple[Batch, Labels]:
    batch = design.batch(len(ratio), advantage=advantage)
    return _off_policy(design, batch, ratio), _fit(design, _policy_labels(ratio, advantage))


def _off_policy(design: Design, batch: Batch, ratio: torch.Tensor) -> Batch:
    """Log-probs at these log-ratios from the old one and from the reference."""
    old = batch.get("old_log_prob")
    if not isinstance(old, torch.Tensor) or "log_prob" not in batch:
        return batch
    fitted = ratio[torch.arange(len(old)) % len(ratio)].reshape(-1, *[1] * (old.dim() - 1))
    step = fitted.expand(old.shape).clone()
    if "log_prob" in design.layout.tails:  # a joint log-prob is the sum of its dimensions
        step[..., 1:] = 0
    return batch | {"log_prob": old + step}


def _policy_labels(ratio: torch.Tensor, advantage: torch.Tensor) -> Labels:
    sign = {-1: "A<0", 0: "A=0", 1: "A>0"}
    return {
        "advantage": tuple(sign[int(a)] for a in advantage.sign().tolist()),
        "ratio": tuple(_bin(r, RATIO_BINS, RATIO_LAST) for r in ratio.exp().tolist()),
    }


def _values(design: Design) -> Iterator[Case]:
    if not design.has("value", "return_"):
        return
    step, target = product(STEPS_OF_VALUE, TARGETS_OF_VALUE)
    base = spread("old_value", (len(step),))
    batch = design.batch(len(step), old_value=base, value=base + step, return_=base + target)
    labels = {
        "distance": tuple(_bin(abs(s), VALUE_BINS, "value beyond the clip radius") for s in step.tolist()),
        "side": tuple(
            "moved towards its target" if s * t > 0 else "moved away" for s, t in zip(step, target, strict=True)
        ),
    }
    yield Case("values", batch, _fit(design, labels))
    far = 1e5 + spread("value", (ROWS,))
    yield Case("values of 1e5", design.batch(value=far, old_value=far + 0.01, return_=far + spread("return_", (ROWS,))))


def _advantages(design: Design) -> Iterator[Case]:
    for role, word in (("advantage", "advantages"), ("reward", "rewards")):
        if design.has(role):
            drawn = spread(role, (ROWS,))
            given = {
                f"constant {word}": torch.full((ROWS,), 0.5, dtype=torch.float64),
                f"{word} of 0": torch.zeros(ROWS, dtype=torch.float64),
                f"{word} of 1e5, spread 1": 1e5 + drawn,
                f"{word} of 1e3": 1e3 * drawn,
                f"{word} of 1e-7": 1e-7 * drawn,
                f"{word} all positive": 1 + 0.3 * drawn,
            }
            for name, rows in given.items():
                yield Case(name, design.batch(ROWS, None, **{role: rows}))


def _masks(design: Design) -> Iterator[Case]:
    if not design.has("mask"):
        return
    layout, tokens = design.layout, TOKENS
    batch = _ragged(design, _off_policy(design, design.batch(tokens=tokens), torch.tensor((-0.6, 0.4, -0.2, 0.9))))
    mask = batch["mask"]
    assert isinstance(mask, torch.Tensor)
    kept = mask.to(torch.float64) if layout.mask_keeps else 1 - mask.to(torch.float64)
    labels = {"mask": tuple("mask 1" if k else "rows with mask 0" for k in kept.reshape(-1).tolist())}
    yield Case("ragged mask", batch, labels)
    yield Case("everything masked", {**batch, "mask": layout.mask(torch.zeros_like(kept))})
    first = kept.clone()
    first[0] = 0
    yield Case("one row all masked", {**batch, "mask": layout.mask(first)}, labels)
    for dtype in (torch.bool, torch.int64, torch.float64):
        yield Case(f"mask of {str(dtype).removeprefix('torch.')}", {**batch, "mask": mask.to(dtype)})


def _ragged(design: Design, batch: Batch) -> Batch:
    """The batch with the ends of its sequences masked, or every third row where rows are no sequences."""
    mask = batch.get("mask")
    if not isinstance(mask, torch.Tensor):
        return batch
    if mask.dim() == 1 or mask.shape[1] == 1:
        keep = (torch.arange(len(mask)) % 3 != 1).reshape(mask.shape)
    else:
        keep = torch.arange(mask.shape[1]) < (1 + (1 + 3 * torch.arange(len(mask))) % mask.shape[1])[:, None]
    return batch | {"mask": design.layout.mask(keep.to(torch.float64))}


def _groups(design: Design) -> Iterator[Case]:
    if not design.has("group"):
        return
    for size in (1, 2, 8):
        yield Case(f"groups of {size}", design.batch() | {"group": torch.arange(design.capacity or ROWS) // size})
    yield Case("interleaved groups", design.batch() | {"group": torch.arange(design.capacity or ROWS) % 3})


def _parameters(design: Design) -> Iterator[Case]:
    """Distributions far apart, and logits that overflow what is not shifted."""
    present = sorted(design.roles & {"logits", "mean", "log_std", "std", *LOG_PROBS})
    for role, scales in (("logits", (30.0, 900.0)), ("mean", (3.0, 40.0)), ("log_std", (0.7, 6.0)), ("std", (2.0,))):
        for scale in scales if role in present else ():
            batch = design.batch()
            base = batch[role]
            assert isinstance(base, torch.Tensor)
            moved = spread(role, tuple(base.shape), scale)
            yield Case(f"{role} of size {scale:g}", batch | {role: 0.1 + moved.abs() if role == "std" else moved})


STRATA: tuple[Callable[[Design], Iterator[Case]], ...] = (
    _ordinary,
    _log_ratios,
    _references,
    _values,
    _advantages,
    _masks,
    _groups,
    _parameters,
)


def _fit(design: Design, labels: Labels) -> Labels:
    """Labels for as many rows as the design has."""
    if design.capacity is None:
        return labels
    return {name: tuple(of[row % len(of)] for row in range(design.capacity)) for name, of in labels.items()}


def _bin(value: float, bins: tuple[tuple[float, str], ...], otherwise: str) -> str:
    return next((name for edge, name in bins if value < edge), otherwise)


def _like(batch: Batch, first: str, second: str) -> bool:
    one, two = batch[first], batch[second]
    return isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor) and one.shape == two.shape
