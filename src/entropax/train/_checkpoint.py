import contextlib
import dataclasses
import fcntl
import hashlib
import json
import logging
import os
import pathlib
import re
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .._arguments import check_whole


_IDENTITY = "identity.json"
_RECORD = "checkpoint.json"
_STATE = "state"
_WRITING = ".writing"

# Of what is written here; a later one may mean something else by the same names.
_FORMAT = 1

# The folder of a checkpoint: its number, and the step.
_NAME = re.compile(r"\d+-step-\d+")

# The folders that this process has locked.
_HELD: set[pathlib.Path] = set()

# How many checkpoints stay: one more than is needed, in case the newest turns out to be damaged.
_KEEP = 2


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """A folder of checkpoints of one training, written with Orbax.

    A checkpoint is complete or absent, whenever the process dies: it is written aside, flushed to the disk and renamed.
    It is refused where it would be wrong: under another configuration, for a state of other shapes, or with a file that
    is not the one that was written. The last two are kept.

    One process at a time writes: while it does, the folder is locked for all others. A state may be restored to other
    devices than it was saved from.

    **Arguments:**

    - `directory`: the folder; it is made at the first save.
    - `identity`: what a checkpoint must agree on before it may be restored, usually the configuration of the program:
        anything that JSON can hold. The shapes of the state are added to it, and by [`entropax.train`][], under
        `training`, what the training itself is made of: digests of the data, the key, the settings and the network.

    **Raises:** `ValueError` where `directory` is no path, or `identity` no mapping.
    """

    directory: str | os.PathLike[str]
    identity: Mapping[str, Any]

    def __post_init__(self):
        if not isinstance(self.directory, str | os.PathLike):
            raise ValueError(f"`directory` must be the path of a folder; got {self.directory!r}.")
        if not isinstance(self.identity, Mapping):
            raise ValueError(
                f"`identity` must be a mapping, such as {{'seed': 0}}, of what a checkpoint must agree on; got "
                f"{self.identity!r}."
            )

    def save(self, step: int, state: PyTree, metadata: Mapping[str, Any] = {}) -> None:
        """Writes a checkpoint, and returns when it is on the disk.

        **Arguments:**

        - `step`: what [`entropax.Checkpoints.restore`][] is to return; the newest checkpoint is the last written,
            whatever its step.
        - `state`: a pytree. Its arrays are written, JAX and NumPy, keys of `jax.random.key` too; its other leaves are
            not.
        - `metadata`: anything that JSON can hold.

        **Raises:** `ValueError` where the step is negative, JSON cannot hold the metadata, or the folder holds
        something else than checkpoints of this identity, or another process writes to it; `OSError` where writing
        fails, for want of space above all: the checkpoints before this one stay as they were.
        """
        check_whole("step", step, least=0)
        with self.locked():
            self._save(step, state, metadata)

    def _save(self, step, state, metadata):
        identity = _plain(self.identity, "identity") | {"state": _shapes(state)}
        record = {"format": _FORMAT, "step": step, "metadata": _plain(metadata, "metadata")}
        known = self._identity()
        if known is not None:
            self._must_equal(identity, known)
        checkpoints = self._newest_first()
        before = f"step {_step(checkpoints[0])} is intact" if checkpoints else "none was written before"
        number = 1 + (_number(checkpoints[0]) if checkpoints else 0)
        # Never the name of an earlier one: threads of a write that failed may still be busy there.
        writing = self._path / f"{_WRITING}-{time.time_ns()}"
        try:
            for abandoned in self._path.glob(f"{_WRITING}-*"):
                shutil.rmtree(abandoned, ignore_errors=True)
            writing.mkdir(parents=True)
            _save_arrays(writing / _STATE, _arrays(state))
            files = [path for path in writing.rglob("*") if path.is_file()]
            record["files"] = {file.relative_to(writing).as_posix(): _digest(file) for file in files}
            (writing / _RECORD).write_text(json.dumps(record, indent=2))
            if known is None:
                (writing / _IDENTITY).write_text(json.dumps(identity, indent=2))
            for path in [*writing.rglob("*"), writing]:
                _flush(path)
            if known is None:
                os.rename(writing / _IDENTITY, self._path / _IDENTITY)
            os.rename(writing, self._path / f"{number:06d}-step-{step}")
            _flush(self._path)
        except Exception as error:
            # Orbax and TensorStore raise almost anything when a file cannot be written.
            shutil.rmtree(writing, ignore_errors=True)
            raise OSError(
                f"The checkpoint of step {step} could not be written to {self._path}; the last one, {before}: {error}"
            ) from error
        for old in self._newest_first()[_KEEP:]:
            shutil.rmtree(old, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps the folder for this process, which makes it where it is missing: for the whole of a training, so that
        no other one takes its half-written checkpoints for abandoned ones.

        **Raises:** `ValueError` where another training has the folder, or it is no folder; `OSError` where it cannot
        be made.
        """
        path = self._path
        if path in _HELD:
            yield
            return
        self._check_folder()
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            try:
                # The system lets go of it when a process dies, however it does.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(
                    f"{path} is in use by another training: wait for it, or name another `directory`."
                ) from None
            except OSError:
                # Some network file systems have no locks.
                pass
            _HELD.add(path)
            yield
        finally:
            _HELD.discard(path)
            os.close(descriptor)

    def check_writable(self) -> None:
        """Tries to write to the folder, so that an error comes before the work.

        **Raises:** `OSError` that names the folder.
        """
        self._check_folder()
        trial = self._path / f"{_WRITING}-{time.time_ns()}"
        try:
            trial.mkdir(parents=True)
            (trial / "trial").write_text("")
        except OSError as error:
            raise OSError(
                f"Checkpoints cannot be written to {self._path} ({error}): make it writable, or name another "
                "`directory`."
            ) from error
        finally:
            shutil.rmtree(trial, ignore_errors=True)

    def _check_folder(self):
        for path in (self._path, *self._path.parents):
            if path.exists() or path.is_symlink():
                if not path.is_dir():
                    raise ValueError(f"`directory` must be a folder; {path} is a file. Name another `directory`.")
                return

    def latest(self) -> int | None:
        """The step of the newest checkpoint; `None` where there is none."""
        self._identity()
        return next(map(_step, self._newest_first()), None)

    def newest(self) -> pathlib.Path | None:
        """The folder of the newest checkpoint; `None` where there is none."""
        return next(iter(self._newest_first()), None)

    def restore(self, like: PyTree) -> tuple[int, Any, dict[str, Any]] | None:
        """Reads the newest checkpoint whose files are those that were written.

        **Arguments:**

        - `like`: a state of the same structure: it tells the devices that each array shall lie on, and brings the
            leaves that are not arrays.

        **Returns:** the step, the state, to the bit, and the metadata; `None` where there is no checkpoint yet.

        **Raises:** `ValueError` where the folder holds something else, or checkpoints of another identity, which the
        message sets side by side, or of a newer format; or where every checkpoint is damaged. If an older one is
        sound, a warning names the damaged one instead.
        """
        known = self._identity()
        if known is None:
            return None
        self._must_equal(_plain(self.identity, "identity") | {"state": _shapes(like)}, known)
        damage = []
        for checkpoint in self._newest_first():
            try:
                record = _verified(checkpoint, bool(_arrays(like)))
            except _Newer as newer:
                raise ValueError(
                    f"{checkpoint} is of format {newer}, written by a newer Entropax; this one reads formats up to "
                    f"{_FORMAT}. Update it, or name another `directory`."
                ) from None
            except (OSError, ValueError, KeyError) as error:
                damage.append(f"{checkpoint} ({error})")
                continue
            if damage:
                warnings.warn(
                    f"Damaged: {', '.join(damage)}. Going on from the checkpoint before it, step {record['step']}.",
                    stacklevel=2,
                )
            return record["step"], _restore_arrays(checkpoint / _STATE, like), record["metadata"]
        if damage:
            raise ValueError(
                f"Every checkpoint is damaged: {', '.join(damage)}. Delete {self._path} to train from the beginning, "
                "or bring it back from a copy."
            )
        return None

    def of_training(self, made_of: Mapping[str, Any]) -> "Checkpoints":
        """The same folder, for the training that is made of these parts alone.

        **Raises:** `ValueError` where the identity has a field `training` already.
        """
        if "training" in self.identity:
            raise ValueError("`identity` must not have a field `training`, which the training itself adds to it.")
        return dataclasses.replace(self, identity=dict(self.identity) | {"training": dict(made_of)})

    @property
    def _path(self) -> pathlib.Path:
        return pathlib.Path(self.directory).absolute()

    def _newest_first(self) -> list[pathlib.Path]:
        found = [path for path in self._path.glob("*-step-*") if _NAME.fullmatch(path.name)]
        return sorted(found, key=_number, reverse=True)

    def _identity(self) -> dict[str, Any] | None:
        """What is on the disk about whose folder this is."""
        self._check_folder()
        file = self._path / _IDENTITY
        if not file.exists():
            strangers = [entry.name for entry in self._path.glob("*") if not entry.name.startswith(".")]
            if strangers:
                raise ValueError(
                    f"{self._path} is not a folder of checkpoints: it holds {sorted(strangers)[:3]} and no "
                    f"{_IDENTITY}. Name another `directory`."
                )
            return None
        try:
            known = json.loads(file.read_text())
            if not isinstance(known, dict):
                raise ValueError("it holds no fields")
            return known
        except ValueError as error:
            raise ValueError(
                f"{file} is damaged ({error}), so that nothing tells whose checkpoints these are. Delete {self._path} "
                "to train from the beginning, or bring it back from a copy."
            ) from None

    def _must_equal(self, identity: dict[str, Any], known: dict[str, Any]) -> None:
        found = differences(identity, known)
        if found:
            more = f" and {len(found) - 8} more" if len(found) > 8 else ""
            raise ValueError(
                f"{self._path} belongs to another configuration: {'; '.join(found[:8])}{more}. Delete it, name another "
                "`directory`, or go back to its configuration."
            )


def differences(here: Any, there: Any, name: str = "") -> list[str]:
    """The fields in which two JSON values differ, one line each."""
    if isinstance(here, dict) and isinstance(there, dict):
        lines = []
        for key in dict.fromkeys([*here, *there]):
            field = f"{name}.{key}" if name else key
            if key not in here or key not in there:
                lines.append(f"`{field}` is {'only here' if key in here else 'only there'}")
            else:
                lines += differences(here[key], there[key], field)
        return lines
    # By their text too: NaN equals itself.
    same = here == there or json.dumps(here) == json.dumps(there)
    return [] if same else [f"`{name}` is {json.dumps(here)} here, {json.dumps(there)} there"]


def _plain(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    # Through JSON and back, so that a tuple compares equal to the list that it becomes.
    try:
        return json.loads(json.dumps(dict(value)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"`{name}` must hold what JSON can hold, by the names of its fields: {error}.") from None


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _shapes(state: PyTree) -> dict[str, str]:
    """Where the arrays of a state are, and what they look like."""
    leaves = [(path, leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(state) if _is_array(leaf)]
    return {jax.tree_util.keystr(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}


def _arrays(state: PyTree) -> dict[str, Any]:
    """The arrays of a state by place, keys as the data they hold. Orbax refuses empty ones, which hold nothing."""
    leaves = [leaf for leaf in jax.tree.leaves(state) if _is_array(leaf)]
    data = [jax.random.key_data(leaf) if _is_key(leaf) else leaf for leaf in leaves]
    return {f"{place:06d}": leaf for place, leaf in enumerate(data) if leaf.size}


def _save_arrays(path: pathlib.Path, arrays: dict[str, Any]) -> None:
    if arrays:
        with _checkpointer() as (orbax, checkpointer):
            checkpointer.save(path, args=orbax.args.StandardSave(arrays))


def _restore_arrays(path: pathlib.Path, like: PyTree) -> PyTree:
    arrays = _arrays(like)
    targets = {}
    for place, leaf in arrays.items():
        if isinstance(leaf, jax.Array) and leaf.committed:
            targets[place] = jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
        else:
            # Through the host: Orbax would commit it to a device, and `jit` then refuse it beside sharded data.
            targets[place] = np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)
    # Float64 arrays stay what they are, whether or not x64 is on when they are read.
    with jax.enable_x64(True):
        if arrays:
            with _checkpointer() as (orbax, checkpointer):
                arrays = checkpointer.restore(path, args=orbax.args.StandardRestore(targets))
        places = iter(range(len(jax.tree.leaves(like))))

        def value(leaf):
            if not _is_array(leaf):
                return leaf
            data = arrays.get(f"{next(places):06d}")
            if data is None:
                return leaf
            if _is_key(leaf):
                return jax.random.wrap_key_data(jnp.asarray(data), impl=jax.random.key_impl(leaf))
            if isinstance(leaf, np.generic):
                return np.asarray(data)[()]
            return jnp.asarray(data) if isinstance(leaf, jax.Array) else np.array(data)

        return jax.tree.map(value, like)


def import_orbax() -> Any:
    """Orbax, imported where it is first needed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import orbax.checkpoint as orbax

        return orbax


@contextlib.contextmanager
def _checkpointer() -> Iterator[tuple[Any, Any]]:
    """Orbax and a checkpointer of this process alone, since states are brought together before they are written;
    without the log of every error that it raises as well."""
    orbax, index = import_orbax(), jax.process_index()
    alone = orbax.options.MultiprocessingOptions()
    if jax.process_count() > 1:
        alone = orbax.options.MultiprocessingOptions(index, {index}, f"process-{index}")
    # absl makes its logger on import, and not before.
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        handler = orbax.StandardCheckpointHandler(multiprocessing_options=alone)
        with orbax.Checkpointer(handler, multiprocessing_options=alone) as checkpointer:
            yield orbax, checkpointer
    finally:
        logger.setLevel(level)


class _Newer(Exception):
    """A checkpoint of a later format, of which nothing else can be said."""


def _digest(file: pathlib.Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _verified(checkpoint: pathlib.Path, holds_arrays: bool) -> dict[str, Any]:
    """The record of a checkpoint all of whose files are those that were written, of a state with arrays or without."""
    try:
        record = json.loads((checkpoint / _RECORD).read_text())
    except ValueError:
        raise ValueError(f"{_RECORD} cannot be read") from None
    if not isinstance(record, dict) or not isinstance(record.get("format", 1), int):
        raise ValueError(f"{_RECORD} is not that of a checkpoint")
    if record.get("format", 1) > _FORMAT:
        raise _Newer(record["format"])
    kinds = {"step": int, "metadata": dict, "files": dict}
    for name, kind in kinds.items():
        if type(record.get(name)) is not kind:
            raise ValueError(f"`{name}` of {_RECORD} is missing or damaged")
    if record["step"] != _step(checkpoint):
        raise ValueError(f"`step` of {_RECORD} is {record['step']}")
    written = {path.relative_to(checkpoint).as_posix() for path in (checkpoint / _STATE).rglob("*") if path.is_file()}
    if unknown := sorted(written - set(record["files"])):
        raise ValueError(f"`files` of {_RECORD} lacks {unknown[0]}")
    if holds_arrays and not record["files"]:
        raise ValueError(f"`files` of {_RECORD} is empty")
    for name, digest in record["files"].items():
        file = checkpoint / name
        if not file.is_file():
            raise ValueError(f"{name} is missing")
        if _digest(file) != digest:
            raise ValueError(f"{name} has changed")
    return record


def _flush(path: pathlib.Path) -> None:
    """To the disk. A rename is there when the folder that holds it is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _number(checkpoint: pathlib.Path) -> int:
    return int(checkpoint.name.split("-")[0])


def _step(checkpoint: pathlib.Path) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1])
