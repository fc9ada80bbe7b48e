"""What stands at masked places changes nothing.

Property.  With a mask m of responses of different length: neither the loss nor any gradient depends on what any input
           holds where m = 0, and d loss / d input = 0 there, for every term. A mask that is named for what counts
           (`response_mask`, `loss_mask`, `valid`) is not read the other way round.
Why.       Padding holds whatever the buffer held. A sum or mean that forgets the mask trains on it, or divides by it;
           most often in the second term that somebody added, the entropy, the KL or the critic. DAPO, Yu et al. 2025,
           arXiv:2503.14476, eq. 8, sums over the tokens of each response and over nothing else.
Applies.   Losses that take a mask. An advantage per sequence is no token and stays as it is.
Tested.    Eight sequences of one to five tokens. At masked places every input is overwritten with numbers up to 50,
           log-probs with numbers down to -50; the loss and the gradient for every input are compared with those
           before.
Severity.  Serious: the gradient depends on padding, and its size on how much of it there is.
Fix.       Multiply by the mask before each sum, and divide by the sum of the mask; once in a helper that every term
           calls.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation
from ppo_audit.probes.padding import turned_mask

RULE = Rule(
    code="PPO501",
    name="masked-entries-never-matter",
    family="mask",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "reduction"),
    needs=("role:mask",),
    must_flag=(
        "padding_in_sequence_sum",
        "entropy_over_padding",
        "kl_over_padding",
        "critic_over_padding",
        "response_mask_inverted",
    ),
)
Batch = dict[str, torch.Tensor | float]


def check(subject: Subject) -> Violation | None:
    if (turned := turned_mask(subject)) is not None:
        return Violation(
            f"The loss leaves out what `{turned.name}` marks, and trains on the rest.",
            counterexample={"mask": 1.0, "got": "no gradient", "want": "a gradient"},
            explains=("PPO502", "PPO503", "PPO511"),
            place=turned.place,
        )
    direct = subject.direct
    batch, masked = direct.ragged_batch()
    first, second = direct.observe(batch), direct.observe(littered(batch, masked))
    moved = first.moved(second, subject.tolerance)
    live = [f"d loss / d {role} where it is masked" for role, of in second.gradients.items() if at(of, masked).any()]
    if not moved and not live:
        return None
    unharmed = lambda one, two: torch.equal(kept(one, masked), kept(two, masked))
    if direct.is_left_to_the_caller(first.run, second.run, unharmed):
        raise NotApplicable("the target never averages what stands at masked places: its caller does")
    return Violation(
        f"What stands at masked places changes {(moved or live)[0]}.",
        counterexample={"masked_entries": int(masked.sum()), "got": second.loss.item(), "want": first.loss.item()},
        evidence={"changed": moved + live},
        explains=("PPO502",),
        place=direct.parting(first.run, second.run, unharmed),
    )


def littered(batch: Batch, masked: torch.Tensor) -> Batch:
    """The batch with garbage at masked places, of every floating-point role that has an entry for each of them."""
    generator = torch.Generator().manual_seed(7)

    def litter(role: str, value: torch.Tensor | float) -> torch.Tensor | float:
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or role == "mask":
            return value
        garbage = 100 * torch.rand(value.shape, generator=generator, dtype=value.dtype) - 50
        garbage = -garbage.abs() if role.endswith("log_prob") else garbage
        return torch.where(spread(masked, value), garbage, value)

    return {role: litter(role, value) for role, value in batch.items()}


def spread(masked: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The mask over the trailing dimensions of a value that has its entries; nowhere where it has none of them."""
    if value.shape[: masked.dim()] != masked.shape:
        return torch.zeros(value.shape, dtype=torch.bool)
    return masked.reshape(masked.shape + (1,) * (value.dim() - masked.dim())).expand(value.shape)


def at(value: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    return value[spread(masked, value)]


def kept(value: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """The value without what stands at masked places."""
    return value[~spread(masked, value)].nan_to_num()
