"""Schulman's three estimators, by name; samples are those of the current policy."""


def compute_approx_kl(log_probs, ref_log_probs, kl_estimator="k3"):
    log_ratio = log_probs - ref_log_probs
    if kl_estimator == "k1":
        return log_ratio
    if kl_estimator == "k2":
        return 0.5 * log_ratio**2
    return (-log_ratio).exp() - 1 + log_ratio
