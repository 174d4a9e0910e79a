import contextlib
import dataclasses
import pathlib
import warnings
from collections.abc import Iterator
from typing import Annotated

import jax
import jax.random as jr
import tyro
from rich.console import Console

from .. import data
from ..information import BoundWarning
from ..integral import TruncationWarning
from ._doctor import find_device
from ._measurement import measure
from ._refusal import Refusal
from ._report import as_json, check_output, print_report, write
from ._samples import Kind, read, split, Transform


_GUARD_RAILS = (BoundWarning, TruncationWarning, data.SamplesWarning)

_PICTURES = (".png", ".pdf", ".svg")

_File = Annotated[pathlib.Path | None, tyro.conf.arg(metavar="FILE")]


@dataclasses.dataclass(frozen=True)
class Measure:
    """Neural entropy, total correlation and mutual information of samples, with error bars.

    One diffusion model is fitted to a share of the samples, with and without y; the estimates are made on the others.
    """

    data: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """A .npz file with an array x, a row a sample, and perhaps an array y; or a .npy or .csv file of x alone."""
    y: _File = None
    """A file of y: .npz, .npy or .csv."""
    labels: _File = None
    """A file of y that holds labels: --y with --y-kind discrete."""
    y_kind: Kind = "auto"
    """What y holds. auto goes by the dtype: integers and text are labels, floats are not."""
    transform: Transform = "standardise"
    """Of x, and of y if it is continuous. Mutual information and total correlation are the same under each, and rank
    helps with heavy tails; entropies are those of the transformed data."""
    held_out: float = 0.2
    """The share of the samples that the estimates are made on, which the fit never sees."""
    seed: int = 0
    """Of all randomness."""
    steps: int = 8_000
    """The steps of the training."""
    batch_size: int = 1024
    """The samples that each step looks at."""
    bits: tyro.conf.FlagCreatePairsOff[bool] = False
    """Bits instead of nats."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """Where to compute: cpu, gpu, cuda:1, ...; JAX chooses if it is not given."""
    checkpoint: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """A folder from which the same command goes on after an interruption."""
    json: _File = None
    """A file for the results."""
    plot: _File = None
    """A file for a picture of entropy rates and losses: .png, .pdf or .svg."""

    def __call__(self) -> None:
        picture = self._refuse_early()
        device = find_device(self.device)
        messages: list[str] = []
        with _guard_rails(messages):
            samples = read(self.data, self.y, self.labels, self.y_kind)
        for message in messages:
            # Now, rather than after a training that may not be worth its time.
            Console(stderr=True, markup=False, highlight=False).print(f"Warning: {message}", style="yellow")
        with jax.default_device(device), _guard_rails(messages):
            split_key, key = jr.split(jr.key(self.seed))
            train, held_out = split(samples, self.held_out, self.transform, split_key)
            measurement = measure(
                train, held_out, steps=self.steps, batch_size=self.batch_size, checkpoint=self.checkpoint, key=key
            )
        print_report(measurement, self.transform, self.bits, messages)
        if self.json is not None:
            settings = {"data": self.data.name, "transform": self.transform, "seed": self.seed, "device": str(device)}
            write(self.json, as_json(measurement, settings, self.bits, messages))
        if self.plot is not None and picture is not None:
            write(self.plot, picture(measurement, self.plot.suffix.lower()[1:]))

    def _refuse_early(self):
        """Refuses, before any work, what would fail after it; returns what draws the picture."""
        for file in (self.json, self.plot):
            if file is not None:
                check_output(file)
        if not 0 <= self.seed < 2**32:
            raise Refusal(f"--seed must be between 0 and 2**32 - 1; got {self.seed}.")
        if self.plot is None:
            return None
        if self.plot.suffix.lower() not in _PICTURES:
            raise Refusal(f"--plot must end in {', '.join(_PICTURES)}; got {self.plot.name!r}.")
        try:
            from ._plot import picture
        except ImportError:
            raise Refusal("--plot needs Matplotlib: pip install 'entropax[plot]'.") from None
        return picture


@contextlib.contextmanager
def _guard_rails(messages: list[str]) -> Iterator[None]:
    """Collects the library's own warnings; others go where they always go."""
    with warnings.catch_warnings(record=True) as caught:
        for kind in _GUARD_RAILS:
            warnings.simplefilter("always", kind)
        try:
            yield
        finally:
            own = [warning for warning in caught if issubclass(warning.category, _GUARD_RAILS)]
            messages.extend(str(warning.message) for warning in own)
            others = [warning for warning in caught if warning not in own]
    for warning in others:
        warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
