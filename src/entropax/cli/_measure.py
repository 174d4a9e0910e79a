import contextlib
import dataclasses
import functools as ft
import hashlib
import os
import pathlib
import stat
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import jax
import jax.random as jr
import tyro

from .. import dependence
from .._files import check_writable, is_regular, is_same, lies_in, write
from ..data import Kind, Samples, SamplesWarning
from ..dependence._cross_fitting import NotKeptWarning
from ..information import BoundWarning
from ..integral import TruncationWarning
from ..train import Settings
from ._checkpoint import check_checkpoint, kept, opened
from ._dependence import measure_dependence, pointwise_file
from ._doctor import find_device
from ._measurement import measure
from ._refusal import Interruption, Refusal, refusing
from ._report import as_json, print_report
from ._samples import read, split, Transform
from ._terminal import busy, LOST, show, tell


_GUARD_RAILS = (
    BoundWarning,
    TruncationWarning,
    SamplesWarning,
    *(kind for kind in vars(dependence).values() if isinstance(kind, type) and issubclass(kind, UserWarning)),
)

_PICTURES = (".png", ".pdf", ".svg")
_TABLES = (".npy", ".csv", ".npz")

_File = Annotated[pathlib.Path | None, tyro.conf.arg(metavar="FILE")]


@dataclasses.dataclass(frozen=True)
class Measure:
    """Neural entropy, total correlation and mutual information of samples, with error bars.

    What samples alone tell of dependence is cross-fitted on all of them. Beside it, one diffusion model is fitted to a
    share of the samples, with and without y, and measured on the others.
    """

    data: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """A .npz file with an array x, a row a sample, and perhaps arrays y and c; or a .npy or .csv file of x alone."""
    y: _File = None
    """A file of y: .npz, .npy or .csv."""
    labels: _File = None
    """A file of y that holds labels: --y with --y-kind discrete."""
    y_kind: Kind = "auto"
    """What y holds. auto goes by the dtype: integers and text are labels, floats are not."""
    c: _File = None
    """A file of c, given which I(X;Y|C) is measured too: .npz, .npy or .csv."""
    c_kind: Kind = "auto"
    """What c holds, as --y-kind."""
    transform: Transform = "standardise"
    """Of x, and of y if it is continuous. Mutual information and total correlation are the same under each, and rank
    helps with heavy tails; entropies are those of the transformed data."""
    held_out: float = 0.2
    """The share of the samples that the model's estimates are made on, which its fit never sees."""
    seed: int = 0
    """Of all randomness."""
    steps: int = 8_000
    """The steps of the model's training."""
    batch_size: int = 1024
    """The samples that each step looks at."""
    fit_steps: int = dependence.CrossFitting.steps
    """The steps of each fit of the cross-fitting on 10 000 samples; on N it takes (N / 10 000)^(1/2) times as many."""
    two_sided: tyro.conf.FlagCreatePairsOff[bool] = False
    """Cross-fit what x tells of y too, where y is continuous: how far the two are apart is part of the error bar."""
    bits: tyro.conf.FlagCreatePairsOff[bool] = False
    """Bits instead of nats."""
    device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """Where to compute: cpu, gpu, cuda:1, ...; JAX chooses if it is not given."""
    checkpoint: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """A folder from which the same command goes on after an interruption: it keeps what each fit of the cross-fitting
    gives, and checkpoints of the training."""
    json: _File = None
    """A file for the results."""
    plot: _File = None
    """A file for a picture of entropy rates and losses: .png, .pdf or .svg."""
    pointwise: _File = None
    """A file for log p(x,y)/p(x)p(y) of each sample, in nats, or given c where there is c: .npy, .csv or .npz."""

    def __call__(self) -> int:
        """Measures, writes the files that were asked for, and prints the table.

        **Returns:** the exit code.

        **Raises:** `Refusal` where that cannot be done.
        """
        try:
            return self._measure()
        except KeyboardInterrupt:
            raise Interruption(kept(self.checkpoint)) from None

    def _measure(self) -> int:
        picture = self._refuse_early()
        device = find_device(self.device)
        messages: list[str] = []
        with _told_at_once(messages):
            samples = read(self.data, self.y, self.labels, self.c, y_kind=self.y_kind, c_kind=self.c_kind)
        self._refuse_without_numbers(samples)
        with contextlib.ExitStack() as stack:
            stack.enter_context(jax.default_device(device))
            split_key, key, dependence_key = jr.split(jr.key(self.seed), 3)
            train, held_out = split(samples, self.held_out, self.transform, split_key)
            folders = None, None
            if self.checkpoint is not None:
                folders = stack.enter_context(opened(self.checkpoint, self._identity(samples)))
            stack.enter_context(_not_kept())
            with _told_at_once(messages), busy("cross-fitting"):
                fitting = dependence.CrossFitting(steps=self.fit_steps, checkpoint=folders[0])
                dependences = measure_dependence(samples, fitting=fitting, two_sided=self.two_sided, key=dependence_key)
            if self.pointwise is not None and dependences.pointwise is None:
                raise Refusal("--pointwise is by cross-fitting, which cannot be done with these samples.")
            with _guard_rails(messages):
                measurement = measure(
                    train, held_out, steps=self.steps, batch_size=self.batch_size, checkpoint=folders[1], key=key
                )
        settings = {"data": self.data.name, "transform": self.transform, "seed": self.seed, "device": str(device)}
        settings |= {"fit_steps": self.fit_steps, "two_sided": self.two_sided}
        contents: dict[str, Callable[[pathlib.Path], bytes]] = {
            "--json": lambda file: as_json(measurement, dependences, settings, self.bits, messages)
        }
        if (shares := dependences.pointwise) is not None:
            contents["--pointwise"] = lambda file: pointwise_file(shares, file.suffix.lower())
        if picture is not None:
            contents["--plot"] = lambda file: picture(measurement, file.suffix.lower()[1:])
        # Before anything is printed: whatever becomes of the terminal, they are there. What may wait for a reader comes
        # last, so that nothing waits for it.
        regular = {option: file for option, file in self._outputs.items() if is_regular(file)}
        failures = _written(regular, contents)
        report = measurement, dependences, self.transform, self.bits, messages
        code = show(lambda console: print_report(console, *report))
        failures += _written({key: file for key, file in self._outputs.items() if key not in regular}, contents)
        for failure in failures:
            tell(f"entropax: {failure}")
        return LOST if failures else code

    def _identity(self, samples: Samples) -> dict[str, Any]:
        """What the numbers depend on, by option."""
        digest = hashlib.sha256()
        for table in (samples.x, samples.y, samples.c, samples.y_classes, samples.c_classes):
            digest.update(b"none" if table is None else f"{table.dtype}{table.shape}".encode() + table.tobytes())
        names = ("transform", "held_out", "seed", "steps", "batch_size", "fit_steps", "two_sided")
        settings = {f"--{name.replace('_', '-')}": getattr(self, name) for name in names}
        return {"the digest of the samples": digest.hexdigest()[:16]} | settings

    @property
    def _outputs(self) -> dict[str, pathlib.Path]:
        """The files to write, by their options."""
        files = {"--json": self.json, "--pointwise": self.pointwise, "--plot": self.plot}
        return {option: file for option, file in files.items() if file is not None}

    def _refuse_files(self) -> None:
        """Refuses files that could not be written, or would overwrite one another or the samples."""
        inputs = {"DATA": self.data, "--y": self.y, "--labels": self.labels, "--c": self.c}
        others = {name: file for name, file in inputs.items() if file is not None}
        for option, file in self._outputs.items():
            for other, there in others.items():
                if is_same(file, there):
                    raise Refusal(f"{option} and {other} are one file, {str(file)!r}: one would overwrite the other.")
            if self.checkpoint is not None and lies_in(file, self.checkpoint):
                raise Refusal(
                    f"{option} is in the folder of --checkpoint, {str(file)!r}, which is for checkpoints alone. Name "
                    "a file in another folder."
                )
            if _is_printed_to(file):
                raise Refusal(f"{option} and standard output are one file: the table would be mixed with it.")
            with refusing(OSError, about=option):
                check_writable(file)
            others[option] = file
        if self.checkpoint is not None:
            check_checkpoint(self.checkpoint)

    def _refuse_early(self):
        """Refuses, before any work, what would fail after it; returns what draws the picture."""
        self._refuse_files()
        if self.pointwise is not None and self.pointwise.suffix.lower() not in _TABLES:
            raise Refusal(f"--pointwise must end in {', '.join(_TABLES)}; got {self.pointwise.name!r}.")
        if not 0 <= self.seed < 2**32:
            raise Refusal(f"--seed must be between 0 and 2**32 - 1; got {self.seed}.")
        if self.fit_steps < 1:
            raise Refusal(f"--fit-steps must be positive; got {self.fit_steps}.")
        with refusing(ValueError):
            Settings(steps=self.steps, batch_size=self.batch_size)
        if self.plot is None:
            return None
        if self.plot.suffix.lower() not in _PICTURES:
            raise Refusal(f"--plot must end in {', '.join(_PICTURES)}; got {self.plot.name!r}.")
        try:
            from ._plot import picture
        except ImportError:
            raise Refusal("--plot needs Matplotlib: pip install 'entropax[plot]'.") from None
        return picture

    def _refuse_without_numbers(self, samples: Samples) -> None:
        """Refuses what is asked of a y that there is not."""
        asked = {"--pointwise": self.pointwise is not None, "--two-sided": self.two_sided}
        for option in asked:
            if asked[option] and samples.y is None:
                raise Refusal(f"{option} is of mutual information, and there is no `y`.")
        if self.two_sided and samples.y_classes is not None:
            raise Refusal("--two-sided is of a continuous `y`, and this one holds labels.")


def _written(files: Mapping[str, pathlib.Path], contents: Mapping[str, Callable[[pathlib.Path], bytes]]) -> list[str]:
    """Writes each file on its own, so that the failure of one loses no other.

    **Arguments:**

    - `files`: by their options.
    - `contents`: what makes the content of each.

    **Returns:** what failed, in a sentence each.
    """
    failures = []
    for option, file in files.items():
        try:
            write(file, contents[option](file), ft.partial(_tell_waiting, option, file))
        except OSError as error:
            failures.append(f"{option} {str(file)!r} could not be written: {error.strerror or error}.")
        except Exception as error:
            # What draws a picture raises anything; the numbers must not be lost by it.
            failures.append(f"{option} {str(file)!r} could not be made: {type(error).__name__}: {error}")
    return failures


def _tell_waiting(option: str, file: pathlib.Path) -> None:
    tell(f"entropax: waiting for a program that reads the pipe of {option}, {str(file)!r}. All else is written.")


def _is_printed_to(file: pathlib.Path) -> bool:
    """Whether standard output goes to the file, be it a pipe. On a terminal, and on the null device, both may be."""
    try:
        status = os.fstat(sys.stdout.fileno())
        return not stat.S_ISCHR(status.st_mode) and os.path.samestat(status, os.stat(file))
    except (OSError, ValueError, AttributeError):
        # Closed, replaced by an object without a descriptor, or there is no such file yet.
        return False


@contextlib.contextmanager
def _not_kept() -> Iterator[None]:
    """Says at once, and only once, that checkpoints cannot be written any more: what is being worked on is lost by an
    interruption from then on."""
    said, others = [], warnings.showwarning

    def say(message, category, *where, **more):
        if not issubclass(category, NotKeptWarning):
            others(message, category, *where, **more)
        elif not said:
            said.append(message)
            tell(f"entropax: --checkpoint: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", NotKeptWarning)
        warnings.showwarning = say
        yield


@contextlib.contextmanager
def _told_at_once(messages: list[str]) -> Iterator[None]:
    """As [`_guard_rails`][], and says them now, rather than after a training that may not be worth its time."""
    known = len(messages)
    with _guard_rails(messages):
        yield
    for message in messages[known:]:
        tell(f"Warning: {message}")


@contextlib.contextmanager
def _guard_rails(messages: list[str]) -> Iterator[None]:
    """Collects the library's own warnings, each text once; others go where they always go."""
    others = warnings.showwarning

    def collect(message, category, *where, **more):
        if not issubclass(category, _GUARD_RAILS):
            others(message, category, *where, **more)
        elif str(message) not in messages:
            messages.append(str(message))

    with warnings.catch_warnings():
        for kind in _GUARD_RAILS:
            warnings.simplefilter("always", kind)
        warnings.showwarning = collect
        yield
