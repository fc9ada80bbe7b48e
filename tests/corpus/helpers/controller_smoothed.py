"""Follows a moving mean of the KL by its logarithm: a proportional and an integral part, each step limited."""

import math


class SmoothedController:
    def __init__(self, coef=0.2, target_kl=0.05, decay=0.9):
        self.coef = coef
        self.target_kl = target_kl
        self.decay = decay
        self.average = target_kl
        self.integral = 0.0

    def update(self, kl):
        self.average = self.decay * self.average + (1 - self.decay) * kl
        error = self.average - self.target_kl
        relative = max(min(error / self.target_kl, 1.0), -1.0)
        self.integral = max(min(self.integral + relative, 5.0), -5.0)
        change = 0.1 * relative + 0.01 * self.integral
        self.coef = min(max(self.coef * math.exp(change), 1e-3), 10.0)
