"""The numbers of random streams: each once, and for ever."""

from pipelines.seeds import OrderStream, Stream


def test_numbers_that_were_given_stay():
    assert {stream.name: stream.value for stream in Stream} == {
        "CROP": 1,
        "MIRROR": 2,
        "COLOR": 3,
        "SHAPES_TRAIN_LOOKS": 16,
        "SHAPES_TRAIN_STROKES": 17,
        "SHAPES_TRAIN_GRAIN": 18,
        "SHAPES_VAL_LOOKS": 19,
        "SHAPES_VAL_STROKES": 20,
        "SHAPES_VAL_GRAIN": 21,
    }
    names = {stream.name: stream.value for stream in OrderStream}
    assert names == {
        "EPOCH": 1,
        "ROTATION": 2,
        "RUNS": 3,
        "LANES": 4,
        "CROP": 5,
        "MIRROR": 6,
        "COLOR": 7,
        "SIDES": 8,
        "OPERATIONS": 9,
    }


def test_no_number_stands_twice():
    for table in (Stream, OrderStream):
        assert len(table) == len(table.__members__)  # a second name for a number would be an alias
