"""Loaders of data that does not come with the project, on small files of the real formats."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harmonic_lib.data import hamlet, load, openwebtext
from harmonic_lib.data.cifar10 import CLASSES
from harmonic_lib.paths import data_dir

WNIDS = ("n01443537", "n01629819")


def picture(path: Path, side: int, colour: tuple[int, int, int]) -> None:
    """One of a single colour, without loss but for JPEG's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), colour).save(path)


@pytest.fixture
def cifar_copy(tmp_path: Path) -> Path:
    for split, size in (("train", 3), ("test", 2)):
        for k, name in enumerate(CLASSES):
            for n in range(size):
                picture(tmp_path / "cifar10" / split / name / f"{n:04}.jpg", 32, (20 * k, 128, 255))
    return tmp_path


def test_cifar10_from_a_copy_as_files(cifar_copy: Path) -> None:
    train, test = (load("cifar10", split, cifar_copy) for split in ("train", "test"))
    assert (len(train), len(test)) == (30, 20)
    assert train.images.shape == (30, 3, 32, 32)
    assert train.classes == CLASSES
    assert train.labels.tolist() == [k for k in range(10) for _ in range(3)]
    assert train.name == "CIFAR-10 (JPEG copy)"
    colours = train.images.mean((2, 3)) * 255
    torch.testing.assert_close(colours[:, 0], 20.0 * train.labels, atol=4, rtol=0)


def test_cifar10_as_torchvision_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harmonic_lib.torchvision_import import torchvision_part

    rng, folder = np.random.default_rng(0), tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = rng.integers(256, size=(4, 3072), dtype=np.uint8)
    names = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]
    for name in names:
        content = {"data": pixels, "labels": [3, 1, 4, 1]}
        (folder / name).write_bytes(pickle.dumps(content))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(CLASSES)}))
    known = torchvision_part("datasets").CIFAR10

    def sums(files: list[str]) -> list[list[str]]:
        return [[f, hashlib.md5((folder / f).read_bytes()).hexdigest()] for f in files]

    monkeypatch.setattr(known, "train_list", sums(names[:5]))
    monkeypatch.setattr(known, "test_list", sums(names[5:]))
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums(["batches.meta"])[0][1]}
    monkeypatch.setattr(known, "meta", meta)
    test = load("cifar10", "test", tmp_path)
    assert len(load("cifar10", "train", tmp_path)) == 20
    assert test.labels.tolist() == [3, 1, 4, 1]
    expected = torch.tensor(pixels).view(4, 3, 32, 32) / 255
    torch.testing.assert_close(test.images, expected)


def test_cifar10_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"neither cifar-10-batches-py nor .*complete=True"):
        load("cifar10", "train", tmp_path)


def test_a_file_that_is_no_image_is_named(cifar_copy: Path) -> None:
    (cifar_copy / "cifar10" / "test" / "cat" / "0000.jpg").write_text("no image")
    with pytest.raises(ValueError, match=r"cat.0000.jpg is no image of 32 x 32 pixels"):
        load("cifar10", "test", cifar_copy)


def test_an_image_of_another_size_is_named(cifar_copy: Path) -> None:
    picture(cifar_copy / "cifar10" / "test" / "dog" / "0001.jpg", 31, (0, 0, 0))
    with pytest.raises(ValueError, match=r"dog.0001.jpg is no image of 32 x 32 pixels"):
        load("cifar10", "test", cifar_copy)


def test_a_class_without_images_is_named(cifar_copy: Path) -> None:
    for path in (cifar_copy / "cifar10" / "train" / "ship").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"images of a class in .*train.ship"):
        load("cifar10", "train", cifar_copy)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Two classes; of the four validation images that are listed one is missing."""
    folder = tmp_path / "tiny-imagenet-200"
    for k, name in enumerate(WNIDS):
        for n in range(3):
            picture(folder / "train" / name / "images" / f"{name}_{n}.JPEG", 64, (100 * k, 0, 0))
    lines = []
    for n in range(4):
        lines.append(f"val_{n}.JPEG\t{WNIDS[n % 2]}\t0\t0\t62\t62")
        if n != 2:
            picture(folder / "val" / "images" / f"val_{n}.JPEG", 64, (100 * (n % 2), 0, 0))
    (folder / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    (folder / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    return tmp_path


def test_tiny_imagenet(tiny: Path) -> None:
    train, test = (load("tiny_imagenet", split, tiny) for split in ("train", "test"))
    assert train.images.shape == (6, 3, 64, 64)
    assert train.classes == WNIDS
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert test.labels.tolist() == [0, 1, 1]
    torch.testing.assert_close(
        test.images[:, 0].mean((1, 2)) * 255, torch.tensor([0.0, 100, 100]), atol=4, rtol=0
    )
    assert (train.origin, test.origin) == ("part", "part")
    assert train.describe() == "Tiny ImageNet, 6 train images (part)"


def test_tiny_imagenet_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Tiny ImageNet: no .*tiny-imagenet-200"):
        load("tiny_imagenet", "train", tmp_path)


def test_a_part_is_the_same_each_time(tiny: Path) -> None:
    train = load("tiny_imagenet", "train", tiny)
    part = train.part(4)
    assert len(part) == 4
    assert part.digest() == train.part(4).digest()
    rows = [int((train.images == image).flatten(1).all(1).nonzero()[0]) for image in part.images]
    assert part.labels.tolist() == train.labels[rows].tolist()


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "openwebtext").mkdir()
    ids = np.array([7, 7, 7, 50256, 50256, 3, 7, 50256, 9, 7] * 10, dtype="<u2")
    ids.tofile(tmp_path / "openwebtext" / "val.bin")
    return tmp_path


def test_frequent_tokens_keep_an_id_of_their_own(text: Path) -> None:
    found = openwebtext.load(text, size=3)
    assert (len(found.train), len(found.validation)) == (90, 10)
    assert found.validation.tolist() == [0, 0, 0, 1, 1, 2, 0, 1, 2, 0]
    assert found.digest() == openwebtext.load(text, size=3).digest()
    assert found.digest() != openwebtext.load(text, size=4).digest()


def test_text_that_is_not_there_or_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"OpenWebText: no .*val.bin"):
        openwebtext.load(tmp_path, size=3)
    (tmp_path / "openwebtext").mkdir()
    for content in (b"", b"\xff\xff"):
        (tmp_path / "openwebtext" / "val.bin").write_bytes(content)
        with pytest.raises(ValueError, match="does not hold ids of GPT-2 tokens"):
            openwebtext.load(tmp_path, size=3)


def test_hamlet_is_read_character_by_character() -> None:
    play = hamlet.load()
    whole = (data_dir() / "samples" / "hamlet.txt").read_text(encoding="utf-8")
    assert play.text(play.ids) == whole
    assert "To be, or not to be,--that is the question:--" in whole
    assert len(play.alphabet) == len(set(whole)) == int(play.ids.max()) + 1
    listed = (data_dir() / "samples" / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(whole.encode()).hexdigest() in listed
