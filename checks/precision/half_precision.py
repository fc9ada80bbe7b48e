"""The ratio is not computed in half precision.

Property.  For log-ratios within the clip the ratio that the loss forms equals exp(log_prob - old_log_prob), for the
           very log-probs that it is given, with an error below a tenth of the clip range and of the spacing of half
           precision.
Why.       Between 8 and 16 neighbouring bfloat16 numbers lie 0.0625 apart, float16 ones 0.0078: log-probs alone then
           move the ratio by up to 6 %, a third of a clip range of 0.2 and far more than GSPO's 3e-4, and exp overflows
           float16 at a log-ratio of 11. Qi et al. 2025, arXiv:2510.26788, section 3.
Applies.   Losses in which the recording shows half-precision arithmetic, or that are measured with `--set
           dtype=bfloat16`.
Tested.    512 samples within the clip in one batch; with inputs as the user sets them, else float32. Compared with the
           same formula in float64. The ratio is read from the recording, since a half-precision gradient is rounded
           anyhow.
Severity.  Serious: the gradient is quantised on the scale of the clip range.
Fix.       Cast log-probs to float32 before the subtraction, and reduce in float32.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO701",
    name="half-precision",
    family="precision",
    severity=Severity.SERIOUS,
    needs=("ratio", "half_precision"),
    must_flag=("upcast_lost", "cast_to_bfloat16"),
)


def check(subject: Subject) -> Violation | None:
    given = subject.declared_dtype or torch.float32
    probe = subject.given_in(given)
    width = min(0.15, 0.9 * _clip_width(subject))
    old = torch.linspace(-0.9, -0.3, 512, dtype=torch.float64).to(given).double()
    new = (old + torch.linspace(-width, width, 512, dtype=torch.float64)).to(given).double()
    got = probe.ratios(new - old, old)
    want = (new - old).exp()
    bound = min(0.1 * torch.finfo(subject.declared_dtype or subject.computes_in).eps, 0.1 * width)
    inside = (new - old).abs() <= width
    return worst(
        Violation("The ratio is formed in half precision.", site="log_ratio", explains=("PPO102", "PPO103", "PPO106")),
        unless=((got - want).abs() <= bound) | ~inside,
        old_log_prob=old,
        log_prob=new,
        got=got,
        want=want,
    )


def _clip_width(subject: Subject) -> float:
    """How far the ratio may go from 1 before the nearer bound of the clip; 0.2 where there is none."""
    try:
        low, high = subject.profile.bounds
    except NotApplicable:
        return 0.2
    return float(min(1 - low, high - 1))
