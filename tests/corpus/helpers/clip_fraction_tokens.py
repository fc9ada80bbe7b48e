"""The share of valid tokens that are clipped."""


def clipped_fraction(logprobs, old_logprobs, response_mask, cliprange=0.2):
    ratio = (logprobs - old_logprobs).exp()
    is_clipped = ((ratio - 1).abs() > cliprange).to(ratio.dtype)
    return (is_clipped * response_mask).sum() / response_mask.sum()
