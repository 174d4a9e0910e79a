"""A checkpoint gives back what was saved, to the bit, or says why it cannot; whatever happens to process and disk."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from entropax.train import Checkpoints
from entropax.train._writer import Writer


IDENTITY = {"noise_std": 1.0, "width": [64, 64], "optimiser": {"name": "adam", "learning_rate": 1e-3}}


def state_of(value: float):
    return {"params": jnp.full((16, 8), float(value)), "count": jnp.asarray(round(value))}


def is_key(leaf):
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def bits(tree):
    """Every array as its bytes and dtype, keys as their data."""
    described = []
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, jax.Array | np.ndarray | np.generic):
            data = jr.key_data(leaf) if isinstance(leaf, jax.Array) and is_key(leaf) else leaf
            described.append((str(leaf.dtype), leaf.shape, np.asarray(data).tobytes()))
    return described


def blank(leaf):
    """An array of the same kind that holds nothing of the first."""
    if not isinstance(leaf, jax.Array):
        return np.zeros_like(leaf)[()] if isinstance(leaf, np.ndarray | np.generic) else leaf
    if is_key(leaf):
        return jr.wrap_key_data(jnp.zeros_like(jr.key_data(leaf)), impl=jr.key_impl(leaf))
    return jnp.zeros_like(leaf)


def restore(checkpoints: Checkpoints, like):
    found = checkpoints.restore(like)
    assert found is not None
    return found


def newest(directory: pathlib.Path) -> pathlib.Path:
    return max(directory.glob("*-step-*"))


def files_of(checkpoint: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in checkpoint.rglob("*") if path.is_file())


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
def test_round_trip_to_the_bit(tmp_path, getkey):
    with jax.enable_x64(True):
        double = jr.normal(getkey(), (3,), jnp.float64)
    state = {
        "net": eqx.nn.MLP(3, 2, 8, 2, key=getkey()),
        "float32": jnp.asarray([0.1, -0.0, jnp.nan, jnp.inf, 1e-45]),
        "bfloat16": jr.normal(getkey(), (5, 3), jnp.bfloat16),
        "float64": double,
        "int": (jnp.asarray(-7), jnp.arange(3, dtype=jnp.uint8), jnp.asarray(True)),
        "empty": jnp.zeros((0, 4)),
        "key": getkey(),
        "keys": jr.split(jr.key(1, impl="rbg"), (2, 3)),
        "numpy": [np.arange(3), np.float32(0.1)],
        "static": ("a name", None, 3),
    }
    checkpoints = Checkpoints(tmp_path / "c", IDENTITY)
    checkpoints.save(12, state, {"loss": 0.1, "history": [1.0, None]})
    like = eqx.tree_at(lambda tree: tree["static"], jax.tree.map(blank, state), ("another", None, 4))
    step, restored, metadata = restore(checkpoints, like)
    assert (step, metadata) == (12, {"loss": 0.1, "history": [1.0, None]})
    assert bits(restored) == bits(state)
    assert jax.tree.structure(restored) == jax.tree.structure(like)
    assert restored["static"] == ("another", None, 4)
    assert [type(leaf) for leaf in restored["numpy"]] == [np.ndarray, np.float32]
    np.testing.assert_array_equal(jr.normal(restored["keys"][1, 2]), jr.normal(state["keys"][1, 2]))
    assert restored["net"](jnp.ones(3)).tolist() == state["net"](jnp.ones(3)).tolist()


def test_the_last_two_are_kept_and_the_last_written_is_restored(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", IDENTITY)
    assert checkpoints.latest() is None and checkpoints.restore(state_of(0)) is None
    for step in (10, 20, 30, 25):  # The last: somebody went back.
        checkpoints.save(step, state_of(step))
        assert checkpoints.latest() == step
    assert sorted(path.name.split("-")[-1] for path in (tmp_path / "c").glob("*-step-*")) == ["25", "30"]
    step, state, _ = restore(checkpoints, state_of(0))
    assert step == 25 and bits(state) == bits(state_of(25))


def test_devices_are_those_of_like(tmp_path, getkey):
    mesh = Mesh(np.asarray(jax.devices()), ("batch",), axis_types=(AxisType.Auto,))
    split, copied = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
    values = {"rows": jr.normal(getkey(), (6, 5)), "all": jr.normal(getkey(), (3,)), "keys": jr.split(getkey(), 4)}
    spread = {name: jax.device_put(value, copied if name == "all" else split) for name, value in values.items()}
    assert mesh.size == 2
    # From two devices to two, to one and back.
    for saved, like in [(spread, spread), (spread, values), (values, spread)]:
        directory = tmp_path / str(len(list(tmp_path.iterdir())))
        Checkpoints(directory, IDENTITY).save(1, saved)
        _, restored, _ = restore(Checkpoints(directory, IDENTITY), like)
        assert bits(restored) == bits(values)
        for name, value in like.items():
            assert restored[name].sharding.is_equivalent_to(value.sharding, value.ndim)
            # What was on no device in particular goes beside data on two, after a restart as before.
            jax.jit(lambda key, rows: rows)(restored[name], spread["rows"])


def test_another_identity_is_refused_by_its_fields(tmp_path):
    Checkpoints(tmp_path, IDENTITY).save(1, state_of(1))
    other = {"noise_std": 0.5, "width": (64, 64), "optimiser": {"name": "adam", "learning_rate": 1e-2}, "seed": 1}
    for use in (lambda c: c.restore(state_of(0)), lambda c: c.save(2, state_of(2))):
        with pytest.raises(ValueError, match="belongs to another configuration") as error:
            use(Checkpoints(tmp_path, other))
        message = str(error.value)
        assert str(tmp_path) in message
        assert "`noise_std` is 0.5 here, 1.0 there" in message
        assert "`optimiser.learning_rate` is 0.01 here, 0.001 there" in message
        assert "`seed` is only here" in message
        assert "width" not in message and "name`" not in message
    assert Checkpoints(tmp_path, IDENTITY).latest() == 1


def test_another_state_is_refused_by_its_arrays(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(1, state_of(1))
    with pytest.raises(ValueError, match=r"params.*float32\[16, 9\].* here, .*float32\[16, 8\].* there"):
        checkpoints.restore(state_of(1) | {"params": jnp.zeros((16, 9))})
    with pytest.raises(ValueError, match=r"average.* is only here"):
        checkpoints.restore(state_of(1) | {"average": jnp.zeros(3)})
    with pytest.raises(ValueError, match=r"count.*key<rbg>\[\].* here, .*key<fry>\[\].* there"):
        Checkpoints(tmp_path / "k", {}).save(1, {"count": jr.key(0)})
        Checkpoints(tmp_path / "k", {}).restore({"count": jr.key(0, impl="rbg")})


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("Years of work")
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    for use in (checkpoints.latest, lambda: checkpoints.restore(state_of(0)), lambda: checkpoints.save(1, state_of(1))):
        with pytest.raises(ValueError, match="is not a folder of checkpoints: it holds .*thesis.tex") as error:
            use()
        assert str(tmp_path) in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_identity_and_metadata_must_be_json(tmp_path):
    with pytest.raises(ValueError, match="`identity` must hold what JSON can hold.*Path"):
        Checkpoints(tmp_path, {"path": tmp_path}).save(1, state_of(1))
    with pytest.raises(ValueError, match="`metadata` must hold what JSON can hold.*set"):
        Checkpoints(tmp_path, IDENTITY).save(1, state_of(1), {"seen": {1, 2}})
    circle = {}
    circle["circle"] = circle
    with pytest.raises(ValueError, match="`identity` must hold what JSON can hold.*Circular"):
        Checkpoints(tmp_path, circle).save(1, state_of(1))


def truncate(file: pathlib.Path):
    os.truncate(file, file.stat().st_size // 2)


def flip_a_bit(file: pathlib.Path):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("harm", [truncate, flip_a_bit, pathlib.Path.unlink])
def test_damage_to_any_file_is_found_and_the_checkpoint_before_serves(tmp_path, harm):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(1, state_of(1))
    checkpoints.save(2, state_of(2))
    damaged = newest(tmp_path)
    # An empty file cannot be damaged but by losing it.
    files = [file for file in files_of(damaged) if file.stat().st_size or harm is pathlib.Path.unlink]
    assert len(files) > 5
    for file in files:
        content = file.read_bytes()
        harm(file)
        with pytest.warns(UserWarning, match=f"Damaged: {damaged}.*Going on from the checkpoint before it, step 1"):
            step, state, _ = restore(checkpoints, state_of(0))
        assert step == 1 and bits(state) == bits(state_of(1))
        file.write_bytes(content)
    assert restore(checkpoints, state_of(0))[0] == 2


def test_when_all_is_damaged_the_message_says_where_and_what_to_do(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    for step in (1, 2):
        checkpoints.save(step, state_of(step))
        truncate(files_of(newest(tmp_path))[-1])
    with pytest.raises(ValueError, match="Every checkpoint is damaged.*Delete .* or bring it back") as error:
        checkpoints.restore(state_of(0))
    assert all(path.name in str(error.value) for path in tmp_path.glob("*-step-*"))
    truncate(tmp_path / "identity.json")
    with pytest.raises(ValueError, match="identity.json is damaged.*Delete .* or bring it back"):
        checkpoints.restore(state_of(0))


PROGRAM = f"""
import os, resource, signal, sys
import jax.numpy as jnp
from entropax.train import Checkpoints
from entropax.train._writer import Writer

def state_of(value):
    return {{"params": jnp.full((16, 8), float(value)), "count": jnp.asarray(round(value))}}

checkpoints = Checkpoints(sys.argv[1], {IDENTITY!r})
"""


def start(directory: pathlib.Path, program: str, stdin: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + program, str(directory)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_no_space_on_the_disk_leaves_the_checkpoint_before(tmp_path):
    # A limit on the size of files refuses a write as a full disk does, in the middle of it.
    child = start(
        tmp_path / "c",
        """
import jax.random as jr
checkpoints.save(1, state_of(1.0) | {"large": jr.normal(jr.key(0), (1000,))})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in (0, 100, 1000, 3000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited))
    try:
        checkpoints.save(2, state_of(2.0) | {"large": jr.normal(jr.key(1), (1000,))})
    except OSError as error:
        assert "The checkpoint of step 2 could not be written" in str(error), error
        assert "the last one, step 1 is intact" in str(error), error
        assert error.__cause__ is not None
    else:
        raise AssertionError(f"{limit} bytes sufficed")
resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
step, state, _ = checkpoints.restore(state_of(0.0) | {"large": jnp.zeros(1000)})
assert step == 1 and state["count"] == 1
assert (state["large"] == jr.normal(jr.key(0), (1000,))).all()
checkpoints.save(2, state_of(2.0) | {"large": jr.normal(jr.key(1), (1000,))})
assert checkpoints.latest() == 2
assert [name for name in os.listdir(sys.argv[1]) if name.startswith(".")] == []
""",
    )
    output, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    # The exception is the message; nobody logs it as well. (TensorStore may still write a line of its own.)
    assert "absl" not in errors and output == ""


def test_killed_at_any_moment_it_resumes_from_a_whole_state(tmp_path):
    # Children save as fast as they can; each is killed a little later after its third save.
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    last = -1
    for delay in (0.0, 0.05):
        child = start(
            tmp_path,
            """
found = checkpoints.restore(state_of(0.0))
first = 0 if found is None else found[0] + 1
assert found is None or found[1]["count"] == found[0]
for step in range(first, 1000):
    checkpoints.save(step, state_of(float(step)))
    print(step, flush=True)
""",
        )
        assert child.stdout is not None
        saved = [int(child.stdout.readline()) for _ in range(3)]
        time.sleep(delay)
        child.kill()
        more, _ = child.communicate()
        assert child.returncode == -signal.SIGKILL
        promised = max(saved + [int(line) for line in more.split()])
        step, state, _ = restore(checkpoints, state_of(0))
        # What `save` has returned from is there, and the whole of it.
        assert step in (promised, promised + 1) and promised >= last + 3
        assert bits(state) == bits(state_of(step))
        last = promised


@pytest.mark.parametrize("call", ["os.rename", "os.fsync"])
def test_killed_before_a_step_of_writing(tmp_path, call):
    # The first save of all dies: nothing is there, and the next one begins as if nothing had been.
    module, name = call.split(".")
    child = start(
        tmp_path / "c",
        f"import {module}\n{module}.{name} = lambda *a, **k: {module}.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoints.save(1, state_of(1.0))\n",
    )
    child.communicate(timeout=120)
    assert child.returncode == -signal.SIGKILL
    checkpoints = Checkpoints(tmp_path / "c", IDENTITY)
    assert checkpoints.latest() is None and checkpoints.restore(state_of(0)) is None
    checkpoints.save(1, state_of(1))
    assert restore(checkpoints, state_of(0))[0] == 1
    assert [path.name for path in (tmp_path / "c").glob(".*")] == []


def test_a_newer_format_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(1, state_of(1))
    record = newest(tmp_path) / "checkpoint.json"
    # Of another layout, too: nothing else of it is looked at.
    record.write_text(record.read_text().replace('"format": 1', '"format": 7').replace('"files"', '"contents"'))
    with pytest.raises(ValueError, match="is of format 7, written by a newer Entropax; this one reads formats up to 1"):
        checkpoints.restore(state_of(0))


def test_a_writer_copies_what_it_writes(tmp_path):
    # Buffers of a state are donated to the next step while the thread is at it.
    state, double = state_of(3), jax.jit(lambda state: jax.tree.map(lambda leaf: 2 * leaf, state), donate_argnums=0)
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    wanted = bits(state)
    with Writer(checkpoints) as writer:
        writer.save(1, state)
        for _ in range(5):
            state = double(state)
        assert str(tmp_path) in writer.standing()
    assert bits(restore(checkpoints, state_of(0))[1]) == wanted


def test_what_a_writer_could_not_write_is_raised(tmp_path):
    (tmp_path / "stranger").write_text("")
    with pytest.raises(ValueError, match="is not a folder of checkpoints"), Writer(Checkpoints(tmp_path, {})) as writer:
        writer.save(1, state_of(1))


def test_a_writer_tells_of_what_it_could_not_write_beside_what_stands(tmp_path, monkeypatch):
    def full(self, step, state):
        raise OSError("no space left")

    with Writer(Checkpoints(tmp_path, IDENTITY)) as writer:
        writer.save(1, state_of(1))
        writer.wait()
        monkeypatch.setattr(Checkpoints, "save", full)
        writer.save(2, state_of(2))
        assert re.fullmatch("The last good checkpoint is .*-step-1. no space left", writer.standing())


def test_two_processes_do_not_write_to_one_folder(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", IDENTITY)
    child = start(
        tmp_path / "c",
        """
with checkpoints.locked():
    checkpoints.save(1, state_of(1.0))
    (checkpoints._path / ".writing-1").mkdir()
    print("locked", flush=True)
    sys.stdin.readline()
    checkpoints.save(2, state_of(2.0))
""",
        stdin=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stdout.readline() == "locked\n"
    with pytest.raises(ValueError, match=r"/c is in use by another training: wait for it, or name another"):
        checkpoints.save(3, state_of(3))
    with pytest.raises(ValueError, match="in use"), checkpoints.locked():
        pass
    # What the other one was writing is there still, and reading does no harm.
    assert (tmp_path / "c" / ".writing-1").exists() and checkpoints.latest() == 1
    child.communicate("\n", timeout=120)
    assert child.returncode == 0 and checkpoints.latest() == 2
    checkpoints.save(3, state_of(3))
    assert checkpoints.latest() == 3 and not (tmp_path / "c" / ".writing-1").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '"text"', '{"format": "one"}', "\udcff", '{"step": "2"}'])
def test_a_record_of_any_damage_is_passed_over(tmp_path, content):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(1, state_of(1))
    checkpoints.save(2, state_of(2))
    record = newest(tmp_path) / "checkpoint.json"
    (tmp_path / "12-step-x").mkdir()
    record.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.warns(UserWarning, match="checkpoint.json.*Going on from the checkpoint before it, step 1"):
        step, state, _ = restore(checkpoints, state_of(0))
    assert step == 1 and bits(state) == bits(state_of(1))


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("step", -5, "`step` of checkpoint.json is -5"),
        ("step", True, "`step` of checkpoint.json is missing or damaged"),
        ("step", 1, "`step` of checkpoint.json is 1"),
        ("files", {}, "`files` of checkpoint.json lacks state/"),
    ],
)
def test_a_record_that_is_not_of_its_checkpoint_is_passed_over(tmp_path, field, value, message):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(1, state_of(1))
    checkpoints.save(2, state_of(2))
    record = newest(tmp_path) / "checkpoint.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {field: value}))
    with pytest.warns(UserWarning, match=f"{message}.*Going on from the checkpoint before it, step 1"):
        step, state, _ = restore(checkpoints, state_of(0))
    assert step == 1 and bits(state) == bits(state_of(1))
    # Nor is one whose arrays are gone as well.
    if field == "files":
        shutil.rmtree(record.parent / "state")
        with pytest.warns(UserWarning, match="`files` of checkpoint.json is empty"):
            assert restore(checkpoints, state_of(0))[0] == 1


@pytest.mark.parametrize("content", ["", "[]", "7", "{"])
def test_an_identity_of_any_damage_is_refused(tmp_path, content):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(1, state_of(1))
    (tmp_path / "identity.json").write_text(content)
    with pytest.raises(ValueError, match="identity.json is damaged"):
        checkpoints.restore(state_of(0))


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        checkpoints = Checkpoints(path, IDENTITY)
        for use in (checkpoints.latest, checkpoints.check_writable, lambda: checkpoints.save(1, state_of(1))):
            with pytest.raises(ValueError, match="`directory` must be a folder; .*/file is a file"):
                use()


def test_a_folder_that_takes_no_files_is_found_before_the_work(tmp_path, monkeypatch):
    # Permissions do not stop an administrator.
    def refuse(self, *arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "write_text", refuse)
    with pytest.raises(OSError, match=r"Checkpoints cannot be written to .*/c \(.*Permission denied\): make it writ"):
        Checkpoints(tmp_path / "c", IDENTITY).check_writable()
    assert list((tmp_path / "c").iterdir()) == []
