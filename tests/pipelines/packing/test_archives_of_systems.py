"""Tar files as some programs write them: members with holes, and a system's own folders."""

import shutil
import subprocess

import packed as p
import pytest


def test_a_member_with_holes_is_left_out_and_the_rest_is_packed(tmp_path):
    if not shutil.which("tar"):
        pytest.skip("tar is not installed")
    for name in ("a/1.jpg", "b/1.jpg"):
        (tmp_path / "set" / name).parent.mkdir(parents=True)
        (tmp_path / "set" / name).write_bytes(p.JPEG)
    with open(tmp_path / "set" / "b" / "2.jpg", "wb") as file:
        file.truncate(3 * 10**6)
    tar = tmp_path / "x.tar"
    subprocess.run(["tar", "-S", "-cf", tar, "-C", tmp_path / "set", "a", "b"], check=True)
    assert tar.stat().st_size < 10**6
    found = p.inventory(tar, tmp_path)
    assert p.names(found) == ["a/1.jpg", "b/1.jpg"]
    assert found.left_out == (("b/2.jpg", "a file with holes"),)
    tar.write_bytes(tar.read_bytes()[:-11_000])
    with pytest.raises(ValueError, match="is damaged, cut short or no tar file"):
        p.inventory(tar, tmp_path)


@pytest.mark.parametrize("name, is_passed_over", [("._1.jpg", True), ("1.jpg", False)])
def test_a_folder_of_the_system_does_not_hide_that_all_else_lies_in_one(
    tmp_path, name, is_passed_over
):
    members = ("data/a/1.jpg", p.JPEG), ("data/b/1.jpg", p.JPEG), (f"__MACOSX/{name}", p.JPEG)
    tar = p.tar_with(tmp_path / "x.tar", *members)
    if is_passed_over:
        assert p.names(p.inventory(tar, tmp_path)) == ["a/1.jpg", "b/1.jpg"]
        return
    with pytest.raises(ValueError, match="no picture in the class folder 'data'"):
        p.inventory(tar, tmp_path)
