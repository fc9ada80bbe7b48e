"""The numerical regression gate: what a target computes on designed inputs, stored, compared and explained."""
