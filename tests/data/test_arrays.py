import pickle

import numpy as np
import pytest

from entropax.data import load_arrays


def test_npz_and_npy_come_back_as_they_were_saved(tmp_path):
    x = np.random.default_rng(0).normal(size=(7, 3))
    y = np.arange(7)
    np.savez(tmp_path / "both.npz", x=x, y=y)
    loaded = load_arrays(tmp_path / "both.npz")
    assert sorted(loaded) == ["x", "y"]
    np.testing.assert_array_equal(loaded["x"], x)
    np.testing.assert_array_equal(loaded["y"], y)
    assert loaded["y"].dtype == y.dtype
    np.save(tmp_path / "one.npy", x.astype(np.float32))
    np.testing.assert_array_equal(load_arrays(str(tmp_path / "one.npy"))["x"], x.astype(np.float32))


@pytest.mark.parametrize(
    "text",
    [
        "1,2.5\n-3e-2,4\n",
        "height,weight\n1,2.5\n-3e-2,4\n",
        '\ufeff"height, m","weight"\r\n1,2.5\r\n\r\n-3e-2, 4\r\n',
    ],
)
def test_csv_with_and_without_names(tmp_path, text):
    path = tmp_path / "table.CSV"
    path.write_text(text, encoding="utf-8", newline="")
    np.testing.assert_array_equal(load_arrays(path)["x"], [[1, 2.5], [-3e-2, 4]])


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,b\n1,2\n3,oops\n", "row 3, column b: 'oops' is not a number"),
        ("1,2\n,4\n", "row 2, column 1: '' is not a number"),
        ("1,two\n3,4\n", "row 1, column 2: 'two' is not a number"),
        ("a,b\n1,2,3\n", "row 2: 3 cells, where the first row has 2"),
        ("a,b\n", "`x` is empty"),
        ("", "is empty"),
    ],
)
def test_csv_errors_name_the_cell(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_arrays(path)


class _Bomb:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_pickles_are_refused_and_never_run(tmp_path, suffix):
    bombs = np.array([_Bomb()], dtype=object)
    path = tmp_path / f"bomb.{suffix}"
    if suffix == "npz":
        np.savez(path, good=np.ones(2), x=bombs)
    else:
        np.save(path, bombs)
    with pytest.raises(ValueError, match="`x` holds pickled .* refused.*numpy.savez"):
        load_arrays(path)
    path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(ValueError, match=f"is damaged, or no .{suffix} file"):
        load_arrays(path)


def test_other_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file .*none.npz"):
        load_arrays(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="must end in .npz, .npy or .csv; got 'x.mat'"):
        load_arrays(tmp_path / "x.mat")
    np.savez(tmp_path / "empty.npz", x=np.ones((0, 3)))
    with pytest.raises(ValueError, match=r"`x` is empty, shape \(0, 3\)"):
        load_arrays(tmp_path / "empty.npz")
    np.savez(tmp_path / "nothing.npz")
    with pytest.raises(ValueError, match="no arrays|damaged"):
        load_arrays(tmp_path / "nothing.npz")
    np.savez(tmp_path / "complex.npz", x=np.ones(3) * 1j)
    with pytest.raises(ValueError, match="`x` must hold real numbers; got .*complex"):
        load_arrays(tmp_path / "complex.npz")


@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_damaged_files_are_refused_at_every_cut(tmp_path, suffix):
    x = np.random.default_rng(0).normal(size=(40, 5))
    path = tmp_path / f"whole.{suffix}"
    if suffix == "npz":
        np.savez_compressed(path, x=x)
    else:
        np.save(path, x)
    whole = path.read_bytes()
    for cut in (0, 3, 20, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="damaged"):
            load_arrays(path)
    # A flipped byte in the middle of the data.
    if suffix == "npz":
        middle = len(whole) // 2
        flipped = bytes([whole[middle] ^ 255])
        path.write_bytes(whole[:middle] + flipped + whole[middle + 1 :])
        with pytest.raises(ValueError, match="damaged"):
            load_arrays(path)
