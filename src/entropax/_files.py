"""Files that are written whole or not at all, and checks, before the work, that they can be written."""

import contextlib
import errno
import os
import pathlib
import secrets
import stat
from collections.abc import Callable, Iterator


# What a check writes: a full disk may still make an empty file.
_PROBE = bytes(4096)


def write(file: str | os.PathLike[str], content: bytes, waiting: Callable[[], None] = lambda: None) -> None:
    """Writes all of a file.

    A regular file, or one that does not exist yet, is replaced by a rename: whenever the process dies, the path holds
    the whole new content or the whole old one. An existing file keeps its mode and its owner; a new one has the mode
    that the umask gives. A symbolic link stays, and the file that it points to is written. A file with several hard
    links, or in a folder that takes no new file, is written in place. Devices, pipes and sockets are written to.

    **Arguments:**

    - `file`: where to write.
    - `content`: all that the file shall hold.
    - `waiting`: called where the file is a named pipe that nobody has opened for reading, before this waits for
        someone who does.

    **Raises:** `OSError` where the file cannot be written.
    """
    status = _status(file)
    target = pathlib.Path(os.path.realpath(file))
    if status is None:
        _replace(target, content, None)
    elif _is_replaceable(target, status):
        try:
            _replace(target, content, status)
        except PermissionError:
            _write_in_place(file, content, status, waiting)
    else:
        _write_in_place(file, content, status, waiting)


def check_writable(file: str | os.PathLike[str]) -> None:
    """Refuses a file that [`write`][entropax._files.write] could not write.

    **Raises:** `OSError` where the file is a folder, its folder does not exist, permission is missing, or its disk is
    full.
    """
    try:
        status = _status(file)
    except OSError as error:
        raise type(error)(f"{str(file)!r} cannot be written: {error.strerror}.") from error
    target = pathlib.Path(os.path.realpath(file))
    if status is None:
        if not target.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {str(target.parent)!r} to write {target.name!r} to.")
        _probe(target.parent)
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{str(file)!r} is a folder; name a file in it.")
    if not os.access(file, os.W_OK):
        raise PermissionError(f"{str(file)!r} cannot be written: permission denied, or a read-only disk.")
    if _is_replaceable(target, status):
        # A folder that takes no new file still lets an old one be written in place.
        with contextlib.suppress(PermissionError):
            _probe(target.parent)


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Refuses a folder in which no file could be made. The folder need not exist yet, and is not made.

    **Raises:** `OSError` where the path is no folder, permission is missing, or the disk is full.
    """
    path = pathlib.Path(folder).absolute()
    above = next(place for place in (path, *path.parents) if os.path.lexists(place))
    if not above.is_dir():
        raise NotADirectoryError(f"{str(above)!r} is not a folder, so that nothing can be written in {str(folder)!r}.")
    _probe(above)


def is_same(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to one file, which may not exist yet. Devices, such as the null device, take any number of
    outputs, and are not counted."""
    statuses = []
    for file in (first, second):
        try:
            statuses.append(_status(file))
        except OSError:
            # What cannot be looked at is refused where it is opened.
            return False
    if None not in statuses:
        return os.path.samestat(*statuses) and not stat.S_ISCHR(statuses[0].st_mode)
    if any(statuses):
        return False
    one, other = (pathlib.Path(os.path.realpath(file)) for file in (first, second))
    if one.name != other.name:
        return False
    return one == other or (one.parent.exists() and other.parent.exists() and one.parent.samefile(other.parent))


def is_regular(file: str | os.PathLike[str]) -> bool:
    """Whether a path leads to a regular file, or to none yet; what it leads to otherwise, such as a pipe, may keep a
    writer waiting."""
    status = _status(file)
    return status is None or stat.S_ISREG(status.st_mode)


def lies_in(file: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Whether a path leads into a folder, at any depth, by links too."""
    inside = pathlib.Path(os.path.realpath(folder))
    if any(is_same(place, inside) for place in pathlib.Path(os.path.realpath(file)).parents):
        return True
    # A hard link outside is the same file.
    return any(is_same(file, entry) for entry in inside.rglob("*"))


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str]) -> Iterator[Callable[[], bool]]:
    """Keeps a folder, which is made if it does not exist, for this process. The system unlocks it when the process
    ends, however it ends. Yields what tells whether the folder is still there: nothing keeps others from deleting it,
    or from putting another in its place.

    **Raises:** `ValueError` where another process has locked the folder; `OSError` where it cannot be written.
    """
    # Only systems with POSIX locks have the module.
    import fcntl

    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    lock = path.absolute() / ".lock"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)

    def is_held() -> bool:
        try:
            return os.path.samestat(os.stat(lock), os.fstat(descriptor))
        except OSError:
            return False

    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"the folder {str(folder)!r} is in use by another process: wait until it ends, or name another folder."
            ) from None
        yield is_held
    finally:
        os.close(descriptor)


def _status(file: str | os.PathLike[str]) -> os.stat_result | None:
    """That of what the path leads to, by way of links; `None` where nothing is there."""
    try:
        return os.stat(file)
    except FileNotFoundError:
        return None


def _is_replaceable(target: pathlib.Path, status: os.stat_result) -> bool:
    # A name in /proc/self/fd need not lead to the file by a path of its own.
    found = _status(target)
    return (
        stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and found is not None and os.path.samestat(found, status)
    )


def _aside(folder: pathlib.Path) -> pathlib.Path:
    """A name that no other file has, short enough beside any other."""
    return folder / f".entropax-{secrets.token_hex(8)}"


def _replace(target: pathlib.Path, content: bytes, status: os.stat_result | None) -> None:
    aside = _aside(target.parent)
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as stream:
            if status is not None:
                made = os.fstat(stream.fileno())
                if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
                    os.fchown(stream.fileno(), status.st_uid, status.st_gid)
                os.fchmod(stream.fileno(), stat.S_IMODE(status.st_mode))
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)


def _write_in_place(file, content: bytes, status: os.stat_result, waiting: Callable[[], None]) -> None:
    opened = _open_pipe(file, waiting) if stat.S_ISFIFO(status.st_mode) else os.open(file, os.O_WRONLY)
    with open(opened, "wb") as stream:
        stream.write(content)
        stream.flush()
        if stat.S_ISREG(status.st_mode):
            stream.truncate()
            os.fsync(stream.fileno())


def _open_pipe(file, waiting: Callable[[], None]) -> int:
    try:
        opened = os.open(file, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        # Without a reader.
        if error.errno != errno.ENXIO:
            raise
        waiting()
        return os.open(file, os.O_WRONLY)
    os.set_blocking(opened, True)
    return opened


def _probe(folder: pathlib.Path) -> None:
    """Makes a small file, and deletes it."""
    aside = _aside(folder)
    try:
        with open(aside, "xb") as stream:
            stream.write(_PROBE)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise type(error)(f"nothing can be written in the folder {str(folder)!r}: {error.strerror}.") from error
    finally:
        aside.unlink(missing_ok=True)
