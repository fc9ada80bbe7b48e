"""Recording what a target computes: every torch operation, with the source columns that asked for it."""
