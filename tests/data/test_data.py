"""The loaders: what they give, where from, and what they say of a damaged file."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from harmonic_lib import torchvision_import
from harmonic_lib.data import LabelledImages, load, mnist
from harmonic_lib.paths import data_dir

Writer = Callable[..., dict[str, tuple[np.ndarray, np.ndarray]]]
SAMPLES = data_dir() / "samples"
SIZES = {("digits", "train"): 1437, ("digits", "test"): 360}
SIZES |= {("mnist", "train"): 6000, ("mnist", "test"): 1000}
# How many images of each class the complete MNIST holds (counted in the published files).
MNIST_CLASSES = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}
with_each_set = pytest.mark.parametrize(("name", "split"), SIZES)


# --- what comes with the project ------------------------------------------------------------


@with_each_set
def test_sizes_and_types(name: str, split: str) -> None:
    data = load(name, split)
    size, side = SIZES[name, split], 8 if name == "digits" else 28
    assert len(data) == size
    assert data.images.shape == (size, 1, side, side)
    assert data.labels.shape == (size,)
    assert (data.images.dtype, data.labels.dtype) == (torch.float32, torch.int64)
    assert data.classes == tuple("0123456789")
    assert data.split == split


@with_each_set
def test_values_are_gray_levels_between_0_and_1(name: str, split: str) -> None:
    images = load(name, split).images
    levels = images * (16 if name == "digits" else 255)
    assert (images.min(), images.max()) == (0, 1)
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)


@with_each_set
def test_every_class_has_its_own_share(name: str, split: str) -> None:
    complete = np.bincount(load_digits().target) if name == "digits" else MNIST_CLASSES[split]
    share = np.array(complete) / np.sum(complete) * SIZES[name, split]
    labels = load(name, split).labels
    assert (abs(labels.bincount().numpy() - share) < 1).all()


@with_each_set
def test_origin_is_stated(name: str, split: str) -> None:
    data = load(name, split)
    assert data.origin == ("complete" if name == "digits" else "sample")
    assert f"{len(data):,} {split} images" in data.describe()
    assert ("sample" in data.describe()) == (name == "mnist")


@with_each_set
def test_is_the_same_every_time(name: str, split: str) -> None:
    assert load(name, split).digest() == load(name, split).digest()


@with_each_set
def test_needs_no_network(name: str, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_socket(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_socket)
    load(name, split)


def test_the_digits_are_those_of_scikit_learn_each_once() -> None:
    parts = [load("digits", split) for split in ("train", "test")]
    ours = np.concatenate([np.c_[p.images.flatten(1) * 16, p.labels] for p in parts])
    theirs = np.c_[load_digits().data, load_digits().target]
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_the_committed_files_are_those_whose_hashes_are_listed() -> None:
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    listed = {
        Path(name).name: digest
        for digest, name in re.findall(r"^\s*([0-9a-f]{64})  (\S+)$", text, re.MULTILINE)
    }
    committed = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in SAMPLES.rglob("*")
        if path.is_file() and path.suffix not in (".md", ".py")
    }
    assert listed == committed


def test_the_digest_is_of_pixels_and_labels(write_mnist: Writer, tmp_path: Path) -> None:
    images, labels = write_mnist(tmp_path)["test"]
    pixels = (torch.tensor(images).float() / 255).numpy().tobytes()
    expected = hashlib.sha256(pixels + labels.astype(np.int64).tobytes()).hexdigest()
    assert load("mnist", "test", tmp_path).digest() == expected


def test_an_unknown_data_set_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="unknown data set 'MNIST'; did you mean 'mnist'"):
        load("MNIST", "train")


def test_an_unknown_split_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="unknown split 'tset'; did you mean 'test'"):
        load("mnist", "tset")


# --- the complete MNIST from a folder -------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_reads_the_layout_of_torchvision(
    write_mnist: Writer, tmp_path: Path, compressed: bool, split: str
) -> None:
    images, labels = write_mnist(tmp_path, compressed=compressed)[split]
    data = load("mnist", split, str(tmp_path))
    np.testing.assert_array_equal(data.images.squeeze(1) * 255, images)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.origin == "complete"


@pytest.mark.parametrize("end", ["", ".gz"], ids=["plain", "gz"])
@pytest.mark.parametrize("flat", [False, True], ids=["MNIST/raw", "flat"])
@pytest.mark.parametrize("dot", [False, True], ids=["-idx", ".idx"])
def test_reads_files_with_a_dot_and_files_that_lie_flat(
    write_mnist: Writer, tmp_path: Path, end: str, flat: bool, dot: bool
) -> None:
    images, labels = write_mnist(tmp_path / "given", compressed=bool(end))["test"]
    raw = mnist.folder(tmp_path / "given")
    place = tmp_path / "moved" if flat else mnist.folder(tmp_path / "moved")
    place.mkdir(parents=True)
    for path in raw.iterdir():
        path.rename(place / (path.name.replace("-idx", ".idx") if dot else path.name))
    data = load("mnist", "test", tmp_path / "moved")
    np.testing.assert_array_equal(data.images.squeeze(1) * 255, images)
    np.testing.assert_array_equal(data.labels, labels)


def test_only_what_reads_the_complete_set_imports_torchvision() -> None:
    program = (
        "import sys; from harmonic_lib.data import load; load('mnist', 'test');"
        "sys.exit('torchvision' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_plain_and_compressed_files_have_one_digest(write_mnist: Writer, tmp_path: Path) -> None:
    write_mnist(tmp_path)
    plain = load("mnist", "train", tmp_path).digest()
    for path in mnist.folder(tmp_path).iterdir():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert load("mnist", "train", tmp_path).digest() == plain


def test_reads_what_torchvision_reads(write_mnist: Writer, tmp_path: Path) -> None:
    write_mnist(tmp_path)
    for split in ("train", "test"):
        theirs = torchvision_import.torchvision_part("datasets").MNIST(
            tmp_path, train=split == "train"
        )
        ours = load("mnist", split, tmp_path)
        assert torch.equal((ours.images.squeeze(1) * 255).byte(), theirs.data)
        assert torch.equal(ours.labels, theirs.targets)


def test_one_split_does_not_need_the_other(write_mnist: Writer, tmp_path: Path) -> None:
    write_mnist(tmp_path)
    for name in mnist.FILES["train"]:
        (mnist.folder(tmp_path) / name).unlink()
    assert len(load("mnist", "test", tmp_path)) == 10


def test_a_missing_file_is_named_with_its_place_and_the_ways_out(
    write_mnist: Writer, tmp_path: Path
) -> None:
    write_mnist(tmp_path)
    (mnist.folder(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError) as raised:
        load("mnist", "test", tmp_path)
    message = str(raised.value)
    assert "no t10k-labels-idx1-ubyte" in message
    assert "no t10k-images-idx3-ubyte" not in message
    assert str(mnist.folder(tmp_path)) in message
    assert "complete=True" in message


def test_what_lies_in_the_folder_instead_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load("mnist", "test", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=f"{re.escape(str(tmp_path))} holds nothing"):
        load("mnist", "test", tmp_path)
    for number in range(10):
        (tmp_path / f"digits-{number}.csv").touch()
    with pytest.raises(FileNotFoundError, match=r"holds digits-0\.csv, .*-7\.csv and 2 more"):
        load("mnist", "test", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"digits-0\.csv is not a folder"):
        load("mnist", "test", tmp_path / "digits-0.csv")


# --- damaged files --------------------------------------------------------------------------

IMAGES, LABELS = mnist.FILES["test"]


@pytest.mark.parametrize(
    ("name", "damage", "expected"),
    [
        (IMAGES, lambda content: b"", "a header of 16 bytes, found 0 bytes"),
        (IMAGES, lambda content: b"\0\0\x08\x01" + content[4:], "00000803, found 00000801"),
        (IMAGES, lambda content: b"<!DOCTYPE html>" + content, "00000803, found 3c21444f"),
        (LABELS, lambda content: b"\0\0\x0d\x01" + content[4:], "00000801, found 00000d01"),
        (IMAGES, lambda content: content[:10], "a header of 16 bytes, found 10 bytes"),
        (IMAGES, lambda content: content[:-1], "7,856 bytes, found 7,855 bytes"),
        (LABELS, lambda content: content + b"\0", "18 bytes, found 19 bytes"),
        (LABELS, lambda content: content[:4] + bytes(4), "found sizes (0,)"),
    ],
)
def test_a_damaged_file_is_named_with_what_was_expected(
    write_mnist: Writer,
    tmp_path: Path,
    name: str,
    damage: Callable[[bytes], bytes],
    expected: str,
) -> None:
    write_mnist(tmp_path)
    path = mnist.folder(tmp_path) / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="is damaged: expected") as raised:
        load("mnist", "test", tmp_path)
    assert str(path) in str(raised.value)
    assert expected in str(raised.value)
    assert "remove it and fetch it again" in str(raised.value)


def test_images_of_another_size_are_refused(
    write_mnist: Writer, tmp_path: Path, idx: Callable[[np.ndarray], bytes]
) -> None:
    write_mnist(tmp_path)
    (mnist.folder(tmp_path) / IMAGES).write_bytes(idx(np.zeros((10, 27, 28))))
    with pytest.raises(ValueError, match=r"items of shape \(28, 28\), found sizes \(10, 27, 28\)"):
        load("mnist", "test", tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-20],
        lambda content: content[: len(content) // 2],
        lambda content: content[:10] + b"\xff" + content[11:],
        lambda content: b"not gzip at all",
    ],
    ids=["cut short", "half", "overwritten", "something else"],
)
def test_a_damaged_archive_is_named(
    write_mnist: Writer, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    write_mnist(tmp_path, compressed=True)
    path = mnist.folder(tmp_path) / f"{IMAGES}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="is damaged: expected a readable file") as raised:
        load("mnist", "test", tmp_path)
    assert str(path) in str(raised.value)
    assert "remove it and fetch it again" in str(raised.value)


@pytest.mark.parametrize(
    ("labels", "found"),
    [([0] * 9, "9 labels up to 0"), ([10] + [0] * 9, "10 labels up to 10")],
    ids=["one too few", "label 10"],
)
def test_labels_that_do_not_belong_to_the_images_are_refused(
    write_mnist: Writer,
    tmp_path: Path,
    idx: Callable[[np.ndarray], bytes],
    labels: list[int],
    found: str,
) -> None:
    write_mnist(tmp_path)
    folder = mnist.folder(tmp_path)
    (folder / LABELS).write_bytes(idx(np.array(labels)))
    with pytest.raises(ValueError, match="classes 0 to 9; remove both and load again") as raised:
        load("mnist", "test", tmp_path)
    for part in (str(folder / IMAGES), "10 images", str(folder / LABELS), found):
        assert part in str(raised.value)


# --- the download ---------------------------------------------------------------------------


def use_download(monkeypatch: pytest.MonkeyPatch, download: Callable[..., object]) -> None:
    datasets = SimpleNamespace(MNIST=download)
    monkeypatch.setattr("harmonic_lib.data.mnist.torchvision_part", lambda _: datasets)


def never(*_: object, **__: object) -> None:
    raise AssertionError("a download was started")


@pytest.mark.parametrize("split", ["train", "test"])
def test_complete_downloads_what_is_not_there(
    write_mnist: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    asked = []

    def download(root: str, *, train: bool, download: bool) -> None:
        asked.append((root, train, download))
        write_mnist(Path(root))

    use_download(monkeypatch, download)
    assert load("mnist", split, tmp_path, complete=True).origin == "complete"
    assert asked == [(str(tmp_path), split == "train", True)]


def test_complete_downloads_nothing_that_is_there(
    write_mnist: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_download(monkeypatch, never)
    write_mnist(tmp_path)
    assert load("mnist", "test", tmp_path, complete=True).origin == "complete"


def test_complete_without_a_root_uses_the_cache_of_the_user(
    write_mnist: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_download(monkeypatch, never)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # the same, on Windows
    write_mnist(tmp_path / ".cache" / "harmonic_lib", test=7)
    assert len(load("mnist", "test", complete=True)) == 7


@pytest.mark.parametrize(
    "error", [RuntimeError("no mirror"), ConnectionResetError("cut off"), TimeoutError("too slow")]
)
def test_a_failing_download_names_the_folder_and_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def download(*_: object, **__: object) -> None:
        raise error

    use_download(monkeypatch, download)
    with pytest.raises(ConnectionError) as raised:
        load("mnist", "test", tmp_path, complete=True)
    message = str(raised.value)
    assert str(error) in message
    assert str(mnist.folder(tmp_path)) in message
    assert "leave out complete=True" in message


def test_a_download_that_brings_nothing_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_download(monkeypatch, lambda *_, **__: None)
    with pytest.raises(FileNotFoundError, match=re.escape(str(mnist.folder(tmp_path)))):
        load("mnist", "test", tmp_path, complete=True)


def test_the_digits_never_need_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    use_download(monkeypatch, never)
    assert len(load("digits", "test", complete=True)) == 360


# --- torchvision beside another torch -------------------------------------------------------


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> Callable[[RuntimeError], list[str]]:
    """Make the first import of torchvision fail with an error; the list says what was done."""

    def prepare(error: RuntimeError) -> list[str]:
        done: list[str] = []
        modules = {"torchvision": None, "torchvision.half": None, "another": None}

        def import_module(name: str) -> ModuleType:
            done.append(f"import {name} beside {', '.join(modules)}")
            if len(done) == 1:
                raise error
            return ModuleType(name)

        def declare() -> None:
            done.append("declare")

        importlib = SimpleNamespace(import_module=import_module)
        monkeypatch.setattr(torchvision_import, "importlib", importlib)
        monkeypatch.setattr(torchvision_import, "sys", SimpleNamespace(modules=modules))
        monkeypatch.setattr(torchvision_import, "declare_operators", declare)
        return done

    return prepare


def test_operators_that_do_not_load_are_declared_before_a_fresh_import(
    imports: Callable[[RuntimeError], list[str]],
) -> None:
    done = imports(RuntimeError("operator torchvision::nms does not exist"))
    assert torchvision_import.torchvision_part("datasets").__name__ == "torchvision.datasets"
    assert done[1:] == ["declare", "import torchvision.datasets beside another"]


def test_another_error_of_torchvision_is_not_hidden(
    imports: Callable[[RuntimeError], list[str]],
) -> None:
    imports(RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        torchvision_import.torchvision_part("datasets")


# --- how the sample was made ----------------------------------------------------------------


@pytest.fixture
def make_sample(
    write_mnist: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], LabelledImages]:
    """Run the script that made the sample on 60 images, for a sample of 20."""
    spec = importlib.util.spec_from_file_location("script", SAMPLES / "make_mnist_sample.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    write_mnist(tmp_path / "source", train=60, test=60)
    monkeypatch.setattr(script, "SIZES", {"train": 20, "test": 20})
    monkeypatch.setattr(script, "__file__", str(tmp_path / "made" / "script.py"))
    monkeypatch.setattr("sys.argv", ["script", str(tmp_path / "source")])

    def make() -> LabelledImages:
        script.main()
        return load("mnist", "train", tmp_path / "made")

    return make


def test_the_sample_is_a_stratified_part_of_the_complete_set(
    make_sample: Callable[[], LabelledImages], tmp_path: Path
) -> None:
    sample, complete = make_sample(), load("mnist", "train", tmp_path / "source")
    assert sample.labels.bincount().tolist() == [2] * 10
    place = {image.numpy().tobytes(): i for i, image in enumerate(complete.images)}
    rows = [place[image.numpy().tobytes()] for image in sample.images]
    assert rows == sorted(set(rows))
    assert torch.equal(sample.labels, complete.labels[rows])


def test_the_sample_is_the_same_every_time_and_its_hashes_are_printed(
    make_sample: Callable[[], LabelledImages], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_sample()
    first = capsys.readouterr().out
    make_sample()
    assert capsys.readouterr().out == first
    files = mnist.folder(tmp_path / "made").iterdir()
    expected = {f"{hashlib.sha256(f.read_bytes()).hexdigest()} {f.name}" for f in files}
    assert set(first.splitlines()) == expected


def test_the_script_says_where_it_looked_in_vain(
    make_sample: Callable[[], LabelledImages], tmp_path: Path
) -> None:
    (mnist.folder(tmp_path / "source") / IMAGES).unlink()
    with pytest.raises(SystemExit, match=re.escape(str(tmp_path / "source"))):
        make_sample()
