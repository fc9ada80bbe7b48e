"""The worked example that `ppo-audit demo` audits: a trainer with known defects, shipped with the package."""
