"""Packed files: the same bytes in any packing; damage of any kind is an error with a way out."""

import gzip
import io
import random
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from pipulate.graph import unpack
from pipulate.graph.errors import BadFile, GraphError, TooLarge
from pipulate.graph.unpack import unpacked

TEXT = random.Random(1).randbytes(50_000).hex().encode()
Pack = Callable[[bytes], bytes]


def archive(files: dict[str, bytes]) -> bytes:
    """Return a zip archive of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return packed.getvalue()


def zipped(content: bytes) -> bytes:
    """Return a zip archive of one file."""
    return archive({"export": content})


def read(path: Path, most_bytes: int = unpack.MOST_BYTES) -> bytes:
    """Return what is in a file."""
    with unpacked(path, most_bytes=most_bytes) as (stream, share):
        content = stream.read()
        assert 0 < share() <= 1
    return content


PACKINGS: dict[str, Pack] = {
    "plain": lambda content: content,
    "gzip": gzip.compress,
    "zip": zipped,
    "gzip twice": lambda content: gzip.compress(gzip.compress(content)),
    "gzip in two parts": lambda content: gzip.compress(content[:9]) + gzip.compress(content[9:]),
    "zip in gzip": lambda content: gzip.compress(zipped(content)),
    "gzip in zip": lambda content: zipped(gzip.compress(content)),
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_any_packing_gives_the_same_bytes(tmp_path: Path, packing: str) -> None:
    """The name says nothing: here it is the same for all."""
    path = tmp_path / "links.csv"
    path.write_bytes(PACKINGS[packing](TEXT))
    assert read(path) == TEXT
    assert unpack.is_packed(path) == (packing != "plain")
    unpack.unpack(path, tmp_path / "plain")
    assert (tmp_path / "plain").read_bytes() == TEXT
    unpack.check(path, "links")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("pack", [gzip.compress, zipped])
def test_a_file_cut_off_anywhere_is_an_error(tmp_path: Path, pack: Pack, keep: float) -> None:
    """It may be noticed only at the end of the stream, but it is."""
    content = pack(TEXT)
    path = tmp_path / "links.csv"
    path.write_bytes(content[: max(4, int(len(content) * keep))])
    with pytest.raises(BadFile, match=r"^links\.csv is (cut off|damaged).* Download it again"):
        read(path)
    with pytest.raises(BadFile, match=r"^that file is"):
        unpack.check(path, "that file")


@pytest.mark.parametrize("pack", [gzip.compress, zipped])
def test_a_flipped_byte_is_an_error(tmp_path: Path, pack: Pack) -> None:
    """The checksum finds it."""
    content = bytearray(pack(TEXT))
    content[len(content) // 2] ^= 0x55
    (tmp_path / "links.csv").write_bytes(content)
    with pytest.raises(BadFile, match="is damaged"):
        read(tmp_path / "links.csv")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """The message says which file."""
    with pytest.raises(BadFile, match="nowhere cannot be read"):
        read(tmp_path / "nowhere")


def test_which_file_of_a_zip_archive(tmp_path: Path) -> None:
    """The one table, or the one file; never one of several."""
    path = tmp_path / "links.csv"
    path.write_bytes(archive({"in/a.CSV": TEXT, "read.md": b"x", "__MACOSX/in/a.csv": b"x"}))
    assert read(path) == TEXT
    refused = {
        r"exactly one CSV file.*of 2 files: a\.csv, b\.csv": {"a.csv": b"x", "b.csv": b"y"},
        r"exactly one CSV file.*a\.md, b\.md": {"a.md": b"x", "b.md": b"y"},
        "Excel workbook": {"xl/workbook.xml": b"x"},
    }
    for message, files in refused.items():
        path.write_bytes(archive(files))
        with pytest.raises(GraphError, match=message):
            read(path)


@pytest.mark.parametrize("pack", [gzip.compress, zipped, PACKINGS["gzip twice"]])
def test_a_bomb_stops_at_the_cap(tmp_path: Path, pack: Pack) -> None:
    """Up to the cap is fine, one byte more is not, however it is read."""
    path = tmp_path / "links.csv"
    path.write_bytes(pack(bytes(3 << 20)))
    assert read(path, 3 << 20) == bytes(3 << 20)
    with pytest.raises(TooLarge, match="unpacks to more than 2 MB"):
        read(path, (3 << 20) - 1)
    with unpacked(path, most_bytes=1 << 20) as (stream, _), pytest.raises(TooLarge):
        stream.readline()


def test_the_disk_is_never_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes stops while there is room for others."""
    path = tmp_path / "links.csv"
    path.write_bytes(gzip.compress(bytes(3 << 20)))
    usage = namedtuple("usage", "total used free")(9 << 30, 0, unpack.SPARE_DISK + (2 << 20))
    monkeypatch.setattr(unpack.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(TooLarge, match="the disk has room for"):
        unpack.unpack(path, tmp_path / "plain")
