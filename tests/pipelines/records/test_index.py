"""The index beside a shard."""

import pytest

from pipelines.records import index

NAMES = ["n1/a.JPEG", "n1/\udcff.jpg", "n2/ä.png"]


def made() -> index.Index:
    return index.make([0, 40, 99], [24, 43, 1], [0, 0, 1], NAMES)


def test_an_index_is_read_as_it_was_written():
    found = index.from_bytes(index.to_bytes(made()))
    assert [found.name(place) for place in range(3)] == NAMES
    assert found.rows["offset"].tolist() == [0, 40, 99]
    assert found.rows["num_bytes"].tolist() == [24, 43, 1]
    assert found.rows["label"].tolist() == [0, 0, 1]
    assert len(found) == 3


def test_the_hash_is_the_one_that_a_folder_holds_out_by():
    # The first 64 bits of SHA-256, so that a packed set is divided as its folder is.
    assert index.name_hash(b"n1/a.JPEG") == 0xD8D139DCAEAD547A


@pytest.mark.parametrize("cut", [0, 7, 15, 16, 47, 111, -1])
def test_an_index_that_is_cut_short_is_refused(cut):
    with pytest.raises(ValueError, match="no index of this version, or cut short|not the length"):
        index.from_bytes(index.to_bytes(made())[:cut])


def test_an_index_of_another_version_is_refused():
    with pytest.raises(ValueError, match="no index of this version"):
        index.from_bytes(b"alexidx3" + index.to_bytes(made())[8:])


def test_the_index_of_raw_squares_has_their_places_and_fingerprints():
    columns = ([0, 40, 99], [24, 43, 1], [0, 0, 1], NAMES)
    contents = index.to_bytes(index.make(*columns, squares=[(17, 2**64 - 1), (0, 0), (120, 5)]))
    assert contents.startswith(b"alexidx2")
    found = index.from_bytes(contents)
    assert [found.name(place) for place in range(3)] == NAMES
    places, fingerprints = index.squares(found.rows)
    assert places.tolist() == [17, -1, 120]
    assert fingerprints.tolist() == [-1, 0, 5]
    assert index.rows_from(contents[: index.most_row_bytes(3)]).tolist() == found.rows.tolist()
    assert index.squares(made().rows) == ()
    with pytest.raises(ValueError, match="no index of this version, or cut short"):
        index.rows_from(contents[: index.most_row_bytes(3) - 1])
