"""Files are written whole, to what their paths lead to, with the modes that they had."""

import os
import pathlib
import shutil
import stat
import tempfile
import threading

import pytest

from entropax._files import check_folder, check_writable, is_regular, is_same, lies_in, locked, write


@pytest.fixture
def device(tmp_path):
    """A node of the null device in a folder of its own: the real one is none to try things on."""
    node = tmp_path / "null"
    try:
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        node.write_bytes(b"")
    except OSError:
        pytest.skip("this user, or this file system, makes no device nodes")
    return node


def entries(folder: pathlib.Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_a_device_stays_a_device(device):
    check_writable(device)
    write(device, b"gone")
    assert stat.S_ISCHR(os.lstat(device).st_mode) and entries(device.parent) == {"null"}


def test_a_pipe_gets_the_bytes(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    check_writable(pipe)
    reader.start()
    write(pipe, b"all of it")
    reader.join(10)
    assert read == [b"all of it"] and stat.S_ISFIFO(os.lstat(pipe).st_mode)


def test_a_pipe_without_a_reader_is_waited_for_with_a_word(tmp_path):
    pipe, said, read = tmp_path / "pipe", [], []
    os.mkfifo(pipe)
    assert not is_regular(pipe) and is_regular(tmp_path / "new")
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))

    def waiting():
        said.append("waiting")
        reader.start()

    # More than a pipe holds at a time.
    write(pipe, b"all of it" * 50_000, waiting)
    reader.join(10)
    assert said == ["waiting"] and read == [b"all of it" * 50_000]


def test_links_lead_to_the_file(tmp_path):
    (tmp_path / "far").mkdir()
    file, link = tmp_path / "far" / "file", tmp_path / "link"
    (tmp_path / "chain").symlink_to("link")
    link.symlink_to("far/file")
    # A link to a file that does not exist yet.
    for content in (b"first", b"second, which is longer", b"third"):
        check_writable(tmp_path / "chain")
        write(tmp_path / "chain", content)
        assert file.read_bytes() == content and link.is_symlink() and not file.is_symlink()
    assert entries(tmp_path) == {"far", "link", "chain"} and entries(tmp_path / "far") == {"file"}


def test_hard_links_stay_one_file(tmp_path):
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_bytes(b"a long first content")
    os.link(file, other)
    write(file, b"short")
    assert file.samefile(other) and other.read_bytes() == b"short"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o751])
def test_modes_are_kept(tmp_path, mode):
    file = tmp_path / "file"
    file.write_bytes(b"old")
    file.chmod(mode)
    before = file.stat().st_ino
    write(file, b"new")
    assert stat.S_IMODE(file.stat().st_mode) == mode and file.read_bytes() == b"new"
    # By a rename, so that no reader ever sees half of it.
    assert file.stat().st_ino != before


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_new_files_have_the_mode_of_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write(tmp_path / "file", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_a_failure_leaves_the_file_before(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(file, b"new")
    assert file.read_bytes() == b"old" and entries(tmp_path) == {"file"}
    # And it is found before the work.
    for check in (lambda: check_writable(file), lambda: check_folder(tmp_path / "to" / "be" / "made")):
        with pytest.raises(OSError, match="nothing can be written in the folder .*: No space left"):
            check()
    assert entries(tmp_path) == {"file"}


def test_the_longest_name(tmp_path):
    write(tmp_path / ("n" * 255), b"new")
    assert entries(tmp_path) == {"n" * 255}


def test_what_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "circle").symlink_to("circle")
    refusals = {
        ".": (IsADirectoryError, "is a folder; name a file in it"),
        "absent/file": (FileNotFoundError, "there is no folder '.*absent' to write 'file' to"),
        "file/file": (NotADirectoryError, "cannot be written"),
        "circle": (OSError, "cannot be written"),
        "n" * 300: (OSError, "cannot be written"),
    }
    for name, (kind, message) in refusals.items():
        with pytest.raises(kind, match=message):
            check_writable(tmp_path / name)
    for name in ("file", "file/folder"):
        with pytest.raises(NotADirectoryError, match="'.*file' is not a folder"):
            check_folder(tmp_path / name)
    check_folder(tmp_path / "absent" / "folder")
    assert entries(tmp_path) == {"file", "circle"}


@pytest.fixture
def unprivileged():
    """A folder of a user to whom something can be forbidden."""
    with tempfile.TemporaryDirectory() as folder:
        root = os.geteuid() == 0
        if root:
            os.chown(folder, 65534, 65534)
            os.setresuid(65534, 65534, 0)
        try:
            yield pathlib.Path(folder)
        finally:
            if root:
                os.setresuid(0, 0, 0)


def test_permissions(unprivileged):
    file = unprivileged / "file"
    file.write_bytes(b"old")
    unprivileged.chmod(0o500)
    try:
        for check in (lambda: check_writable(unprivileged / "new"), lambda: check_folder(unprivileged / "new")):
            with pytest.raises(PermissionError, match="nothing can be written in the folder"):
                check()
        # The file itself may be written, in place.
        check_writable(file)
        write(file, b"new")
        assert file.read_bytes() == b"new"
        file.chmod(0o400)
        with pytest.raises(PermissionError, match="permission denied"):
            check_writable(file)
    finally:
        unprivileged.chmod(0o700)


def test_one_file_by_two_names(tmp_path, device, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file"
    (tmp_path / "folder").mkdir()
    (tmp_path / "way").symlink_to("folder")
    # Before it exists, and after.
    for _ in range(2):
        assert is_same(file, "file") and is_same("./folder/../file", file)
        assert is_same("way/new", "folder/new") and not is_same("file", "other") and not is_same("way/file", "file")
        file.write_bytes(b"")
    os.link(file, "hard")
    (tmp_path / "soft").symlink_to("file")
    assert is_same("hard", "soft")
    # All may go to the null device.
    assert not is_same(device, device)


def test_a_folder_is_used_by_one_process(tmp_path):
    with (
        locked(tmp_path / "folder"),
        pytest.raises(ValueError, match="folder' is in use by another process"),
        locked(tmp_path / "folder"),
    ):
        pass
    with locked(tmp_path / "folder"):
        pass


def test_a_folder_that_is_gone_is_not_held(tmp_path):
    folder = tmp_path / "folder"
    with locked(folder) as is_held:
        assert is_held()
        shutil.rmtree(folder)
        assert not is_held()
        # Another in its place is not the same.
        folder.mkdir()
        (folder / ".lock").write_text("")
        assert not is_held()


def test_what_lies_in_a_folder(tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "way").symlink_to("folder/deep")
    (tmp_path / "folder" / "file").write_text("")
    os.link(tmp_path / "folder" / "file", tmp_path / "hard")
    for name in ("folder/new", "folder/file", "folder/deep/new", "way/new", "hard"):
        assert lies_in(tmp_path / name, tmp_path / "folder"), name
    for name in ("new", "folder", "folders/new", "absent/new"):
        assert not lies_in(tmp_path / name, tmp_path / "folder"), name
    assert not lies_in(tmp_path / "file", tmp_path / "absent")
