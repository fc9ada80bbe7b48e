"""Trainers that learn with the reference functions: small, plain, and fast enough to measure the cost of a defect."""
