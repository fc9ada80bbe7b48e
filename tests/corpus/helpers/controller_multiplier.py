"""A multiplier of Lagrange: gradient ascent on the excess of the KL, projected to what is not negative."""


class Multiplier:
    def __init__(self, init_beta=0.1, kl_target=0.02, rate=0.05):
        self.beta = init_beta
        self.kl_target = kl_target
        self.rate = rate

    def update(self, mean_kl):
        self.beta = max(self.beta + self.rate * (mean_kl - self.kl_target), 0.0)
        return self.beta
