"""A target made measurable: roles in, value and per-sample gradients out, whatever its calling convention."""
