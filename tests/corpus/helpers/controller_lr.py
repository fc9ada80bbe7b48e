"""A learning rate by the KL, written into the optimizer; a KL of zero is none that was measured."""


class KLSchedule:
    def __init__(self, optimizer, desired_kl=0.01):
        self.optimizer = optimizer
        self.desired_kl = desired_kl

    def step(self, kl_mean):
        for group in self.optimizer.param_groups:
            if kl_mean > self.desired_kl * 2.0:
                group["lr"] = max(group["lr"] / 1.5, 1e-5)
            elif 0.0 < kl_mean < self.desired_kl / 2.0:
                group["lr"] = min(1e-2, 1.5 * group["lr"])
