"""A module whose `loss` is a number."""

loss = 0.25
