"""What several tests stand on: a denoiser that is trusted on a range only."""

import entropax as ex


class Trusted(ex.AbstractDenoiser):
    """The denoiser, on a range."""

    denoiser: ex.AbstractDenoiser
    range: tuple[float, float]

    @property
    def log_snr_range(self):
        return self.range

    def __call__(self, z, log_snr, y=None):
        return self.denoiser(z, log_snr, y)
