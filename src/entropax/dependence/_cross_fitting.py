"""Fits to all other folds and to half of the samples, weighed by the samples that they have not seen."""

import dataclasses
import hashlib
import importlib.metadata
import io
import itertools
import os
import pathlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Float32, Float64, Int, PRNGKeyArray

from .._arguments import check_instance, check_positive, check_whole
from .._files import write
from .._progress import Progress
from ._gaussian import canonical
from ._mixtures import departure_of_partitions, Fitted, fitted_mixtures, Mixture, White
from ._network import Begun, CHECKS, continued, Departure, has_edges, improvements, Round, Split, train
from ._variables import STEPS, Term, Variables


# Draws of noise at each check and for the estimate, over all samples.
_CHECK_DRAWS, _DRAWS = 20_000, 1_600_000

# The most draws for one sample: beyond, the sampling error of the data is much larger than that of the noise.
_MOST_DRAWS = 1_600

_FEWEST_STEPS = 240

# The network of a fold continues from one that was fitted to half of the samples, after this many checks of its
# training at most. Later that network would have memorised some of its samples.
_TAKEN_OVER = 5

# The most columns that mixtures are fitted to, and the most without a network: mixtures, kernels and partitions predict
# two columns about as well, in a tenth of the time.
_MOST_MIXED, _MOST_ALONE = 10, 2

# A density whose weight in the first fold is no larger than this is not fitted for the other folds.
_LEAST_SHARE = 0.01

# The rows of a batch for a conditional distribution, relative to an unconditional one. The conditional is harder to
# fit, but what is missed of the other would count as information.
_CONDITIONED = 3


@dataclasses.dataclass(frozen=True)
class CrossFitting:
    r"""The default `fitting`: densities are fitted to some samples and measured on others. For every fold, mixtures,
    kernels and a network are fitted to all other folds. Two further fits of each use half as many samples, which shows
    how the error falls with the number of samples. The networks of the folds continue from a quarter of the training of
    these two.

    **Arguments:**

    - `folds`: the number of folds.
    - `steps`: the training steps of a network on 10 000 samples; $N$ samples take $\sqrt{N / 10^4}$ times as many.
    - `batch_size`: of the network; a multiple of 32.
    - `learning_rate`: of Muon.
    - `precision`: a standard error in nats. If that of the first answer, of
        [`entropax.dependence.NearestNeighbours`][], is no larger, the first answer is returned and no density is
        fitted. By default densities are always fitted.
    - `checkpoint`: a folder to which every network and every classifier is written as soon as it is fitted, so that the
        same call resumes after an interruption and returns the same numbers. Results of other samples, settings or keys
        may lie in the same folder.

    **Raises:** `ValueError` if an argument is out of its range.
    """

    folds: int = 5
    steps: int = 5_500
    batch_size: int = 512
    learning_rate: float = 3e-3
    precision: float | None = None
    checkpoint: str | os.PathLike[str] | None = None

    def __post_init__(self):
        check_whole("folds", self.folds, 2)
        check_whole("steps", self.steps, 1)
        check_whole("batch_size", self.batch_size, 32)
        check_positive(learning_rate=self.learning_rate)
        if self.precision is not None:
            check_positive(precision=self.precision)
        check_instance("checkpoint", self.checkpoint, (str, os.PathLike, type(None)))
        if self.batch_size % 32:
            raise ValueError(f"`batch_size` must be a multiple of 32; got {self.batch_size}.")

    def held_out(self, order: Int[np.ndarray, " num"]) -> list[Int[np.ndarray, "..."]]:
        """The samples of each fold, which are runs of `order`.

        **Raises:** `ValueError` where there are fewer than two for each.
        """
        if len(order) < 2 * self.folds:
            raise ValueError(f"`folds`, {self.folds}, want {2 * self.folds} samples or more; got {len(order)}.")
        return np.array_split(order, self.folds)


def num_steps(fitting: CrossFitting, num: int) -> int:
    """The steps of a training on samples of which there are `num` in all."""
    return max(_FEWEST_STEPS, int(fitting.steps * (num / 10_000) ** 0.5))


class Fold(NamedTuple):
    """What measures the samples of a fold.

    **Arguments:**

    - `split`: the samples.
    - `rows`: those of the fold.
    - `networks`: the network of each conditional distribution; `None` stands for its Gaussian.
    - `mixture`: a mixture and its coordinates, if it predicts the first distribution better than the network does.
    """

    split: Split
    rows: Int[np.ndarray, " held"]
    networks: tuple[Departure | None, ...]
    mixture: tuple[Mixture, White] | None = None


class Departures(NamedTuple):
    """How far every conditional distribution departs from its Gaussian, in nats, sample by sample.

    **Arguments:**

    - `whole`, `half`: by fits to all other folds, and by fits to half as many samples, of all densities together.
    - `alone`: as `whole`, by the one density that predicts best.
    - `folds`: what measures the samples of each fold.
    """

    whole: Float[np.ndarray, "laws num"]
    half: Float[np.ndarray, "laws num"]
    alone: Float[np.ndarray, "laws num"]
    folds: list[Fold]


class _Job(NamedTuple):
    """The rows to fit to, the rows to measure, all samples, and the network that the training continues from."""

    fitted: Int[np.ndarray, " few"]
    held: Int[np.ndarray, " held"]
    split: Split
    start: Begun | None = None


def departures(
    variables: Variables,
    terms: Sequence[Term],
    order: Int[np.ndarray, " num"],
    *,
    fitting: CrossFitting,
    progress: Progress,
    key: PRNGKeyArray,
) -> Departures:
    """Cross-fits how the conditional distributions of all terms depart from their Gaussians.

    **Arguments:**

    - `variables`: the samples.
    - `terms`: the conditional distributions.
    - `order`: of the samples; folds are runs of it.
    - `fitting`: the settings.
    - `progress`: counts every mixture and every check of a training.
    - `key`: all randomness.

    **Raises:** `ValueError` if all folds but one have no more samples than columns; `FloatingPointError` if a training
        diverges.

    **Returns:** the departures, which are zero if half of these samples are no more than the columns.
    """
    num, dim = variables.values.shape
    half_key, whole_key, noise_key = jr.split(key, 3)
    mixture_key = jr.fold_in(key, 3)
    held = fitting.held_out(order)
    if num - len(held[0]) < dim + 2:
        raise ValueError(
            f"`folds`, {fitting.folds}, leave {num - len(held[0])} of {num} samples to fit {dim} columns to, where "
            f"{dim + 2} or more are wanted. Give more samples, fewer columns, or more folds."
        )
    rest = [np.setdiff1d(np.arange(num), rows) for rows in held]
    few = (num - len(held[0])) // 2
    each = lambda rows: [_Job(fitted, held, _split(variables, terms, fitted)) for fitted, held in rows]
    wholes, none = each(zip(rest, held)), (None,) * len(terms)
    folds = [Fold(job.split, job.held, none) for job in wholes]
    if few < dim + 2:
        # Half of them have no covariance, and no network would find anything beyond that of all.
        nothing = np.zeros((len(terms), num))
        return Departures(nothing, nothing, nothing, folds)
    # The halves are at either end of the order. Each sample is held out by one of them, and each fold, which is no
    # longer than the gap between them, overlaps with one of them at most.
    middle = num // 2
    halves = each([(order[:few], order[middle:]), (order[num - few :], order[:middle])])
    mixtures = dim <= _MOST_MIXED and bool(variables.ranked_columns.all()) and _is_resolved(variables)
    rng = np.random.default_rng(np.asarray(jr.key_data(mixture_key)))
    whole, half = (_Members({}, []) for _ in range(2))
    if mixtures:
        whole, half = (_by_mixtures(variables, terms, jobs, few, progress, rng) for jobs in (wholes, halves))
    if not mixtures or dim > _MOST_ALONE:
        by_half, _, (early, late) = _fit(variables, terms, halves, fitting, progress, half_key, noise_key)
        begins = np.cumsum([0, *map(len, held[:-1])])
        wholes = [job._replace(start=early if begin >= few else late) for job, begin in zip(wholes, begins)]
        by_whole, folds, _ = _fit(variables, terms, wholes, fitting, progress, whole_key, noise_key)
        # The fits to all samples decide for both sizes, so that these differ by the number of samples alone.
        edges = [has_edges(of_law) for of_law in by_whole]
        for members, fit in ((whole, by_whole), (half, by_half)):
            members.departures["network",] = np.array(
                [continued(sums) if edge else sums[0] for sums, edge in zip(fit, edges)]
            )
    of_networks = whole.departures.get(("network",), np.zeros((1, num)))[0].sum()
    return Departures(
        _stacked(whole, held, len(terms), num),
        _stacked(half, held, len(terms), num),
        _best(whole, len(terms), num),
        _with_mixtures(folds, whole, of_networks),
    )


class _Members(NamedTuple):
    """Densities that are fitted to the same samples, by their names.

    **Arguments:**

    - `departures`: of all samples, by each density.
    - `fitted`: the mixtures of each fold.
    """

    departures: dict[tuple, Float[np.ndarray, "laws num"]]
    fitted: list[Fitted]


def _is_resolved(variables: Variables) -> bool:
    """Whether every combination of columns varies by more than the steps of ranks. Otherwise narrow components would
    mistake ranks that agree for information."""
    least = np.linalg.eigvalsh(np.atleast_2d(np.cov(variables.values.T)))[0]
    return bool(least > 1 / (STEPS * len(variables.values)))


def _by_mixtures(
    variables: Variables,
    terms: Sequence[Term],
    jobs: Sequence[_Job],
    most: int,
    progress: Progress,
    rng: np.random.Generator,
) -> _Members:
    """The departures by mixtures, kernels and, for two columns, partitions. A density without weight in the first job
    is not fitted for the others."""
    columns = [(variables.columns(term.of).tolist(), variables.columns(term.given).tolist()) for term in terms]
    found, names = [], None
    progress.expect(len(jobs))
    for job in jobs:
        seed = int(rng.integers(2**31))
        values = np.asarray(job.split.values)
        one = fitted_mixtures(values, job.fitted, job.held, columns, most=most, names=names, seed=seed)
        if variables.dims == (1, 1):
            of_both = departure_of_partitions(variables.values, job.fitted, job.held)
            one.members["partitions",] = np.stack([of_both] * len(terms))
        names = names or _that_add(one.members)
        progress.update()
        found.append(one)
    num = len(variables.values)
    departures = {name: np.zeros((len(terms), num)) for name in found[-1].members}
    for job, one in zip(jobs, found):
        for name, of_member in departures.items():
            of_member[:, job.held] = one.members[name]
    return _Members(departures, found)


def _that_add(members: dict[tuple, np.ndarray]) -> set[tuple]:
    """The names of the members that have a weight in some conditional distribution."""
    if not members:
        return set()
    every = np.stack([np.zeros_like(next(iter(members.values()))), *members.values()])
    shares = np.max([weights(every[:, law]) for law in range(every.shape[1])], 0)[1:]
    return {name for name, share in zip(members, shares) if share > _LEAST_SHARE}


def _with_mixtures(folds: list[Fold], whole: _Members, of_networks: float) -> list[Fold]:
    """The folds with the mixture of few components that predicts the first distribution best, if it predicts all
    samples better than the Gaussian and the networks do."""
    gains = {name: whole.departures[name][0].sum() for name in (whole.fitted[0].few if whole.fitted else ())}
    best = max(gains, key=lambda name: gains[name], default=None)
    if best is None or gains[best] <= max(of_networks, 0.0):
        return folds
    return [fold._replace(mixture=(one.few[best], one.white)) for fold, one in zip(folds, whole.fitted)]


def _stacked(whole: _Members, held: Sequence[Int[np.ndarray, "..."]], laws: int, num: int) -> np.ndarray:
    """The departure of each conditional distribution by all members together, one of which is the Gaussian."""
    members = np.stack([np.zeros((laws, num)), *(one for one in whole.departures.values() if one.any())])
    if len(members) == 1:
        return members[0]
    return np.stack([stacked(members[:, law], held) for law in range(laws)])


def _best(whole: _Members, laws: int, num: int) -> Float[np.ndarray, "laws num"]:
    """The departures by the member that predicts all conditional distributions best. The Gaussian is a member."""
    return max([np.zeros((laws, num)), *whole.departures.values()], key=np.sum)


def _fit(variables, terms, jobs, fitting, progress, key, noise_key):
    """Fits networks to every job.

    **Returns:** the departures of all samples, with the integrals by which they are continued beyond the sharpness of
        networks; the folds; and the networks that other trainings continue from.
    """
    num = len(variables.values)
    devices = _devices()
    splits = [jax.device_put(job.split, device) for job, device in zip(jobs, itertools.cycle(devices))]
    blocks = _blocks(terms, fitting.batch_size // 32)
    settings = dict(
        # Fits to half of the samples take as many steps, so that fits differ by their samples alone.
        steps=num_steps(fitting, num),
        learning_rate=fitting.learning_rate,
        repetitions=max(4, _CHECK_DRAWS // num),
    )
    # All that the results below depend on.
    given = variables.values, variables.dims, variables.ranked, terms, blocks, settings

    def fit(item):
        job, split, key = item
        (device,) = split.values.devices()
        with jax.default_device(device):
            start = job.start and job.start._replace(network=jax.device_put(job.start.network, device))
            return kept(
                fitting.checkpoint,
                ["fit", given, job, key],
                lambda: train(split, job.held, blocks, start=start, key=key, tell=progress.update, **settings),
                pack=_packed,
                unpack=lambda arrays: _unpacked(arrays, split, progress),
            )

    progress.expect(CHECKS * len(jobs))
    rounds = in_threads(fit, zip(jobs, splits, jr.split(key, len(jobs))))
    # One number of checks for all, chosen by all samples, so that no fold chooses by its own noise. What ended early
    # stays as it was.
    length = max(len(one.gains) for one in rounds)
    at = lambda several, check: several[min(check, len(several)) - 1]
    curve = [
        np.average([at(one.gains, check) for one in rounds], 0, [len(job.held) for job in jobs])
        for check in range(1, length + 1)
    ]
    best = np.where(np.max(curve, 0) > 0, np.argmax(curve, 0) + 1, 0)
    folds = [
        Fold(split, job.held, tuple(at(one.networks, check) if check else None for check in best))
        for job, split, one in zip(jobs, splits, rounds)
    ]
    gains = np.zeros((len(terms), 4, num))
    repetitions = min(max(16, _DRAWS // num), _MOST_DRAWS)

    def measure(item):
        fold, job = item
        return kept(
            fitting.checkpoint,
            ["measured", given, jobs, key, noise_key, repetitions, job.held],
            lambda: _measured(fold, noise_key, repetitions),
            pack=as_array,
            unpack=array_of,
        )

    for fold, gained in zip(folds, in_threads(measure, zip(folds, jobs))):
        gains[..., fold.rows] = gained
    checks = int(min(best.max(), _TAKEN_OVER))
    return gains, folds, [Begun(at(one.networks, checks), checks) if checks else None for one in rounds]


def _packed(one: Round) -> dict[str, Any]:
    """The weights at all checks, leaf by leaf."""
    leaves = [jax.tree.leaves(network) for network in one.networks]
    return {"gains": one.gains} | {f"{i:02d}": np.stack(column) for i, column in enumerate(zip(*leaves))}


def _unpacked(arrays: dict[str, np.ndarray], split: Split, progress: Progress) -> Round:
    progress.update(CHECKS)
    variables, dim = split.tables.member.shape
    structure = jax.tree.structure(eqx.filter_eval_shape(Departure, dim, variables, key=jr.key(0)))
    gains = arrays.pop("gains")
    columns = [jnp.asarray(arrays[name]) for name in sorted(arrays)]
    return Round([jax.tree.unflatten(structure, leaves) for leaves in zip(*columns)], gains)


def _split(variables, terms, fitted) -> Split:
    values, tables = canonical(variables, fitted, terms)
    padded = np.resize(fitted, len(values)).astype(np.int32)
    return Split(jnp.asarray(values), tables, jnp.asarray(padded), jnp.asarray(len(fitted), jnp.int32))


def _measured(fold: Fold, key: PRNGKeyArray, repetitions: int) -> np.ndarray:
    """The departures of the samples of a fold, and what they are continued by."""
    gains = np.zeros((len(fold.networks), 4, len(fold.rows)))
    for network in {id(network): network for network in fold.networks if network is not None}.values():
        laws = [law for law, chosen in enumerate(fold.networks) if chosen is network]
        gains[laws] = improvements(network, fold.split.tables, fold.split.values, fold.rows, key, repetitions, laws)
    return gains


def _blocks(terms: Sequence[Term], num: int) -> Int[np.ndarray, " blocks"]:
    """The law of each block of a batch: laws that are conditioned are harder to learn, and get more of them."""
    wanted = np.array([_CONDITIONED if term.given else 1 for term in terms], float)
    num = max(num, len(terms))
    blocks = np.maximum(1, np.floor(num * wanted / wanted.sum())).astype(int)
    blocks[wanted.argmax()] += max(0, num - blocks.sum())
    return np.repeat(np.arange(len(terms)), blocks).astype(np.int32)


def _devices() -> list:
    """All of this process, or the one that the user has chosen."""
    chosen = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    return jax.local_devices(backend=chosen) if chosen is None or isinstance(chosen, str) else [chosen]


def in_threads(function: Callable, items: Iterable) -> list:
    """The function of each item, side by side: networks as small as these leave most of a device idle."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:
            # After an interrupt or a failed fit the other fits are not waited for.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


# Where members predict nearly the same a mixture is slow to settle.
_ROUNDS = 300


def stacked(
    members: Float[np.ndarray, "members num"], folds: Sequence[Int[np.ndarray, "..."]]
) -> Float64[np.ndarray, " num"]:
    r"""$\log\sum_m w_m e^{\ell_m}$ of log-densities $\ell_m$ of samples held out, with weights that make the samples of
    all other folds likeliest.

    **Arguments:**

    - `members`: log-densities of the samples, by each of two or more members, up to what all share. One of them at
        least is finite, whatever the sample.
    - `folds`: which samples share their weights.

    ??? cite "Source"
        Smyth and Wolpert, Linearly combining density estimators via stacking (1999).
    """
    likelihood, most = _likelihood(members)
    found = np.zeros(members.shape[1])
    for held in folds:
        found[held] = np.log(np.asarray(weights(members, held), np.float64) @ likelihood[:, held])
    return found + most


def weights(
    members: Float[np.ndarray, "members num"], left_out: Int[np.ndarray, " some"] | None = None
) -> Float32[np.ndarray, " members"]:
    """The weights of [`stacked`][], which make all samples likeliest but those `left_out`."""
    seen = np.ones(members.shape[1], np.float32)
    if left_out is not None:
        seen[left_out] = 0
    return np.asarray(_weights(_likelihood(members)[0], seen))


def _likelihood(members):
    most = members.max(0)
    return np.exp(members - most).astype(np.float32), most


@jax.jit
def _weights(likelihood, seen):
    """By expectation maximisation. All members together are taken to have explained one sample more than they did, so
    that none is left out."""
    count = len(likelihood)
    # The first member, the simplest, has half of the weight to begin with.
    begin = jnp.full(count, 0.5 / (count - 1)).at[0].set(0.5)

    def step(_, weights):
        share = likelihood * weights[:, None]
        share = share / share.sum(0)[None]
        return (1 / count + (share * seen[None]).sum(1)) / (seen.sum() + 1)

    return jax.lax.fori_loop(0, _ROUNDS, step, begin)


_Result = TypeVar("_Result")

# Of what is written here; a later one may mean something else by the same names.
_FORMAT = 1


class NotKeptWarning(UserWarning):
    """What was found cannot be kept, and would have to be found again after an interruption."""


def kept(
    folder: str | os.PathLike[str] | None,
    made_of: Sequence[Any],
    compute: Callable[[], _Result],
    *,
    pack: Callable[[_Result], dict[str, Any]],
    unpack: Callable[[dict[str, np.ndarray]], _Result],
) -> _Result:
    """The result of a computation: read from a folder if an earlier process has left it there, else computed, and
    written there at once.

    A file is named by a digest of all that the result depends on, and of the versions of Entropax and JAX, so that the
    results of other samples, settings or keys may lie in the same folder and are never read as this one. Files are
    written whole, so that any number of processes may share the folder.

    **Arguments:**

    - `folder`: it is made at the first result; without one nothing is kept.
    - `made_of`: all that the result depends on: numbers, text, keys, and pytrees of arrays.
    - `compute`: what makes the result.
    - `pack`, `unpack`: between the result and arrays by name.

    **Returns:** the result, to the bit the same either way.

    **Raises:** `ValueError` where the folder is a file.

    **Warns:** `UserWarning` where the file of the result is damaged, and the result is computed again;
    `NotKeptWarning` where the result, which is returned all the same, cannot be written.
    """
    if folder is None:
        return compute()
    name = f"{_digest(made_of)}.npz"
    try:
        file = pathlib.Path(folder) / name
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return unpack(dict(archive))
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        raise ValueError(f"`checkpoint` must be a folder; {str(folder)!r} is none. Name another.") from None
    # The readers of archives and of headers raise a dozen kinds of exceptions.
    except Exception as error:
        warnings.warn(
            f"{pathlib.Path(folder) / name} is damaged ({error}); what it held is computed again.",
            stacklevel=2,
        )
    result = compute()
    content = io.BytesIO()
    np.savez(content, **{name: np.asarray(array) for name, array in pack(result).items()})  # pyright: ignore[reportArgumentType]
    try:
        # Once more from what was given: it may be gone meanwhile.
        place = pathlib.Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        write(place / name, content.getvalue())
    except OSError as error:
        warnings.warn(
            f"results cannot be kept in {str(folder)!r} ({error.strerror or error}): the work goes on, but what ends "
            "from now on would be done again after an interruption.",
            NotKeptWarning,
            stacklevel=2,
        )
    return result


def array_of(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The one array of a result that is an array."""
    return arrays["array"]


def as_array(array: np.ndarray) -> dict[str, np.ndarray]:
    """What [`array_of`][] reads."""
    return {"array": array}


def _digest(parts: Sequence[Any]) -> str:
    versions = [importlib.metadata.version(name) for name in ("entropax", "jax")]
    leaves, structure = jax.tree.flatten([_FORMAT, versions, list(parts)])
    digest = hashlib.sha256(repr(structure).encode())
    for leaf in leaves:
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        if isinstance(leaf, jax.Array | np.ndarray):
            array = np.asarray(leaf)
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(array.tobytes())
        else:
            digest.update(f"{type(leaf).__name__} {leaf!r}".encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]
