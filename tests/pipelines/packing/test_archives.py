"""Tar files are packed as the folders that they would be unpacked to."""

import gzip
import io
import pathlib
import tarfile
import tempfile

import packed as p
import pytest

from pipelines.packing.archives import Archive
from pipelines.packing.decompressed import open_tar
from pipelines.sources.folder import folder
from pipelines.sources.layout import look


def test_a_tar_file_is_packed_to_the_same_bytes_as_its_folder(pictures, tmp_path):
    (tmp_path / "data").symlink_to(pictures)
    tar = p.tar_of(pictures, tmp_path / "data.tar", arcname="data-1.0")
    for source in (pictures, tar):
        p.packed(source, tmp_path / f"of {source.name}", size="original", shard_examples=8)
    one, other = (p.digests(tmp_path / f"of {source.name}") for source in (pictures, tar))
    assert one.pop("dataset.json") != other.pop("dataset.json")  # it quotes the input
    assert one == other
    digest = folder(str(pictures), "train", 0.1).digest
    assert p.described(tmp_path / "of data.tar").splits["train"].digest == digest


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_order_and_contents_are_those_of_the_folder_whatever_the_order_of_the_archive(
    pictures, tmp_path, mode
):
    with tarfile.open(tmp_path / "x.tar", mode) as tar:
        for file in sorted(pictures.rglob("*.jpg"), reverse=True):
            tar.add(file, f"./set/{file.relative_to(pictures)}")
    found = p.inventory(tmp_path / "x.tar", tmp_path)
    for split in ("train", "val"):
        source, part = folder(str(pictures), split, 0.1), found.parts[split]
        assert list(part.names) == list(source.files)
        assert part.digest == source.digest
        for index in (0, 7, len(part.names) - 1):
            contents = (pictures / part.names[index]).read_bytes()
            assert part.contents(index) == contents
            encoded, label = part.reader.read(index)
            assert (encoded.numpy(), label.numpy()) == (contents, source.labels[index])
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]  # nothing is left behind


def test_bytes_of_zero_at_the_end_of_a_file_are_read(tmp_path):
    tar = p.tar_with(tmp_path / "x.tar", ("a/1.jpg", p.JPEG + b"\0\0\0"), ("b/1.jpg", p.JPEG))
    encoded, _ = p.inventory(tar, tmp_path).parts["all"].reader.read(0)
    assert encoded.numpy() == p.JPEG + b"\0\0\0"


def test_tar_files_in_a_tar_file_are_the_folders_of_their_classes(tmp_path):
    inner = {}
    for name in ("n01440764", "n01443537"):
        p.tar_with(tmp_path / name, *((f"{name}_{i}.JPEG", p.JPEG + b"%d" % i) for i in range(3)))
        inner[name] = (tmp_path / name).read_bytes()
    tar = p.tar_with(tmp_path / "x.tar", *((f"{name}.tar", x) for name, x in inner.items()))
    found = p.inventory(tar, tmp_path)
    assert found.classes == ("n01440764", "n01443537")
    assert p.names(found)[:2] == ["n01440764/n01440764_0.JPEG", "n01440764/n01440764_1.JPEG"]
    assert found.parts["all"].contents(4) == p.JPEG + b"1"


def test_no_archive_in_an_archive_is_lost_in_silence(tmp_path):
    inner = p.tar_with(tmp_path / "n.tar", ("1.JPEG", p.JPEG)).read_bytes()
    others = [("n03.tar.gz", gzip.compress(inner)), ("n04.tgz", gzip.compress(inner))]
    members = [("n01.tar", inner), ("n02.TAR", inner), *others, ("n05.zip", b"PK\3\4")]
    found = p.inventory(p.tar_with(tmp_path / "x.tar", *members), tmp_path)
    assert p.names(found) == ["n01/1.JPEG", "n02/1.JPEG"]
    assert found.left_out == tuple(
        (name, "no picture") for name in ("n03.tar.gz", "n04.tgz", "n05.zip")
    )


def test_a_tar_file_without_members_in_a_tar_file_is_an_empty_class(tmp_path):
    inner = p.tar_with(tmp_path / "n.tar", ("1.JPEG", p.JPEG)).read_bytes()
    empty = p.tar_with(tmp_path / "empty.tar").read_bytes()
    members = [("n01.tar", inner), ("n02.tar", inner), ("n03.tar", empty)]
    with pytest.raises(ValueError, match="no picture in the class folder 'n03', it is empty; exp"):
        p.inventory(p.tar_with(tmp_path / "x.tar", *members), tmp_path)
    members = [("n01.tar", inner), ("n02", p.JPEG), ("n02.tar", inner), ("n03.tar", inner)]
    found = p.inventory(p.tar_with(tmp_path / "x.tar", *members), tmp_path)
    assert found.left_out == (
        ("n02", "no picture"),
        ("n02/", "a file has the same name"),
    )


def test_hidden_tar_files_are_no_folders(tmp_path):
    inner = p.tar_with(tmp_path / "n01.tar", ("1.JPEG", p.JPEG)).read_bytes()
    members = [
        ("n01.tar", inner),
        ("._n01.tar", b"of macOS"),
        ("n02/.tar", b"x"),
        ("n02/1.jpg", p.JPEG),
    ]
    found = p.inventory(p.tar_with(tmp_path / "x.tar", *members), tmp_path)
    assert (found.classes, len(found.parts["all"].names)) == (("n01", "n02"), 2)


def test_a_size_that_no_file_has_is_damage(tmp_path):
    path = p.tar_with(tmp_path / "x.tar", *p.TWO)
    contents = bytearray(path.read_bytes())
    contents[124:136] = b"\x80" + b"\x7f" * 11  # in base 256
    contents[156:157] = b"Z"  # of no kind that is known
    contents[148:156] = b" " * 8
    contents[148:156] = b"%06o\0 " % sum(contents[:512])
    path.write_bytes(contents)
    with pytest.raises(ValueError, match="input='.*x.tar' is damaged, cut short or no tar file"):
        p.inventory(path, tmp_path)


def test_a_split_that_is_named_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="each of train and val once, but train is named twice"):
        p.inventory("train=a.tar,train=b.tar", tmp_path)


def strange_members(path: pathlib.Path) -> pathlib.Path:
    with tarfile.open(path, "w", encoding="utf-8", errors="surrogateescape") as tar:

        def add(name, contents=p.JPEG, **fields):
            member = tarfile.TarInfo(name)
            member.size = len(contents)
            for field, value in fields.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(contents))

        for name in ("a/1.jpg", "b/1.jpg", "/etc/a/2.jpg", "a/../../2.jpg", "a/\udcff.jpg"):
            add(name)
        add("a/3.jpg", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add("a/4.jpg", b"", type=tarfile.LNKTYPE, linkname="b/1.jpg")
        add("a/5.jpg", b"", type=tarfile.CHRTYPE)
        add("a/6.jpg", b"", type=tarfile.FIFOTYPE)
        add("b/1.jpg", p.JPEG + b"again")
        add("b/1.jpg/deeper.jpg")
        add("a", p.JPEG)
        add("b/1.jpg", b"", type=tarfile.DIRTYPE)
    return path


def test_members_that_lie_too_deep_are_left_out_and_reported(tmp_path):
    deep = ["x/" * n + "a.jpg" for n in (101, 1500)]
    inner = p.tar_with(tmp_path / "inner.tar", ("y/" * 60 + "b.jpg", p.JPEG)).read_bytes()
    members = [(name, p.JPEG) for name in deep] + [("z/" * 60 + "inner.tar", inner)]
    found = p.inventory(p.tar_with(tmp_path / "x.tar", *p.TWO, *members), tmp_path)
    assert p.names(found) == ["a/1.jpg", "b/1.jpg"]
    said = dict(found.left_out)
    assert said[deep[0]] == "a path of 101 folders; at most 100 are taken"
    assert said[deep[1]] == "a path of 1500 folders; at most 100 are taken"
    assert said["y/" * 60 + "b.jpg"] == "a path of 121 folders; at most 100 are taken"
    assert said["z/"] == "a folder that is neither train, val nor a class"


def test_members_that_are_no_plain_files_are_left_out_and_reported(tmp_path):
    found = p.inventory(strange_members(tmp_path / "x.tar"), tmp_path)
    assert p.names(found) == ["a/1.jpg", "a/\udcff.jpg", "b/1.jpg"]
    assert found.parts["all"].contents(2) == p.JPEG + b"again"
    assert found.left_out == (
        ("/etc/a/2.jpg", "an absolute path"),
        ("a/../../2.jpg", "a path that leads out of the archive"),
        ("a/3.jpg", "a link"),
        ("a/4.jpg", "a link"),
        ("a/5.jpg", "a device or a pipe"),
        ("a/6.jpg", "a device or a pipe"),
        ("b/1.jpg", "a later member of the archive has the same name"),
        ("b/1.jpg/deeper.jpg", "'b/1.jpg' is a file as well"),
        ("a", "a folder has the same name"),
        ("b/1.jpg/", "a file has the same name"),
    )


@pytest.mark.parametrize("cut", [1, 100, 600, 1030, 1600])
def test_a_tar_file_that_is_cut_short_is_refused(tmp_path, cut):
    contents = p.tar_with(tmp_path / "x.tar", ("a/1.jpg", p.JPEG * 90), *p.TWO).read_bytes()
    (tmp_path / "x.tar").write_bytes(contents[:cut])
    with pytest.raises(ValueError, match="is damaged, cut short or no tar file: .*. Expected one"):
        p.inventory(tmp_path / "x.tar", tmp_path)


@pytest.mark.parametrize("cut", [2048, 2560])
def test_a_tar_file_that_is_cut_between_two_members_is_reported(tmp_path, cut):
    contents = p.tar_with(tmp_path / "x.tar", *p.TWO).read_bytes()
    assert not any(contents[2048:])  # two members of two blocks, and the end mark
    (tmp_path / "x.tar").write_bytes(contents[:cut])
    found = p.inventory(tmp_path / "x.tar", tmp_path)
    assert len(p.names(found)) == 2
    ((name, reason),) = found.left_out
    assert name.endswith("x.tar") and reason.startswith("it ends without an end mark; if it was")


def test_archives_that_were_joined_are_reported(tmp_path):
    one = p.tar_with(tmp_path / "1.tar", *p.TWO).read_bytes()
    other = p.tar_with(tmp_path / "2.tar", ("c/1.jpg", p.JPEG)).read_bytes()
    (tmp_path / "x.tar").write_bytes(one + other)
    found = p.inventory(tmp_path / "x.tar", tmp_path)
    ((name, reason),) = found.left_out
    assert name.endswith("x.tar") and reason.startswith("more follows its end mark; if joined")
    (tmp_path / "x.tar").write_bytes(one + bytes(3 << 20))
    assert not p.inventory(tmp_path / "x.tar", tmp_path).left_out


def test_a_damaged_header_in_the_middle_is_no_end(tmp_path):
    contents = bytearray(p.tar_with(tmp_path / "x.tar", *p.TWO, ("b/2.jpg", p.JPEG)).read_bytes())
    contents[1024 + 5] ^= 1
    (tmp_path / "x.tar").write_bytes(contents)
    with pytest.raises(ValueError, match="x.tar' is damaged.* no header where one is expected"):
        p.inventory(tmp_path / "x.tar", tmp_path)


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"text" * 1000)
    with pytest.raises(ValueError, match="is damaged, cut short or no tar file"):
        p.inventory(tmp_path / "x", tmp_path)
    with pytest.raises(ValueError, match="cannot be read: No such file or directory. Expected a f"):
        p.inventory(tmp_path / "nothing", tmp_path)
    contents = p.tar_of(tmp_path / "x", tmp_path / "x.tar.gz", mode="w:gz").read_bytes()
    (tmp_path / "x.tar.gz").write_bytes(contents[:-20])
    with pytest.raises(ValueError, match="cannot be decompressed: .*. Expected it whole; fetch it"):
        p.inventory(tmp_path / "x.tar.gz", tmp_path)


def test_a_disk_that_is_full_while_an_archive_is_decompressed_is_told(tmp_path, monkeypatch):
    full = pathlib.Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(p.tar_with(tmp_path / "x.tar", *p.TWO).read_bytes()))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: open(full, "wb"))
    text = "x.tar.gz' is decompressed into .* takes no more: No space left on device. Make room"
    with pytest.raises(OSError, match=text):
        p.inventory(path, tmp_path)


def test_an_archive_without_classes_is_refused_as_a_folder_is(tmp_path):
    tar = p.tar_with(tmp_path / "x.tar", ("flat/1.jpg", p.JPEG))
    text = "input='.*x.tar': no picture in it; expected train/<class>/<file>.jpg and .*Sort '1.jpg'"
    with pytest.raises(ValueError, match=text):
        p.inventory(tar, tmp_path)
    tar = p.tar_with(tmp_path / "x.tar", ("pics/a/1.jpg", p.JPEG), ("notes.txt", b"text"))
    with pytest.raises(ValueError, match="Perhaps a tar file of 'pics' alone is meant.$"):
        p.inventory(tar, tmp_path)


def test_an_archive_that_becomes_shorter_is_an_error(tmp_path):
    tar = p.tar_with(tmp_path / "x.tar", *p.TWO)
    part = p.inventory(tar, tmp_path).parts["all"]
    tar.write_bytes(tar.read_bytes()[:1540])
    with pytest.raises(OSError, match="the archive ends at byte 1540"):
        part.contents(1)


def test_an_archive_that_becomes_shorter_while_it_is_listed_is_an_error(tmp_path):
    tar = p.tar_with(tmp_path / "x.tar", *p.TWO, ("b/photo", p.JPEG))
    archive = Archive(str(tar))
    archive.add(str(tar), open(tar, "rb"))  # noqa: SIM115
    tar.write_bytes(tar.read_bytes()[:2565])
    text = "x.tar': 'b/photo' cannot be read: the archive ends at byte 2565. Expected the archive "
    with pytest.raises(ValueError, match=text):
        look("", archive)


@pytest.mark.slow
def test_a_member_takes_little_memory(tmp_path):
    import tracemalloc

    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for i in range(20_000):
            tar.addfile(tarfile.TarInfo(f"imagenet/train/n{i // 1000:08}/n_{i:06}.JPEG"))
    archive = Archive("x.tar")
    tar = open_tar(str(tmp_path / "x.tar"), tmp_path, print)
    tracemalloc.start()
    archive.add("x.tar", tar)
    assert tracemalloc.get_traced_memory()[0] / 20_000 < 75  # the list; 15 are the name
    del archive
    found = p.inventory(tmp_path / "x.tar", tmp_path)
    assert tracemalloc.get_traced_memory()[0] / 20_000 < 60  # what is known while packing
    tracemalloc.stop()
    assert len(found.parts["train"].names) == 20_000
