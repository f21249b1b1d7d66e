"""Workers share a global batch: together they read what one would, and nothing twice."""

import numpy as np
import pytest
from test_dataset import DATA, INPUTS, NUM_EXAMPLES, TRAIN, assert_same, memory, source, take

from pipelines.dataset import DRAW_VERSIONS, PADDING, eval_dataset, train_dataset
from pipelines.share import Share

__all__ = ["memory", "source"]


@pytest.mark.parametrize("workers, replicas, rows", [(2, 4, 3), (3, 1, 5), (1, 2, 4), (4, 2, 1)])
def test_rows_of_all_workers_are_those_of_the_batch_in_its_order(workers, replicas, rows):
    shares = [Share(index=i, count=workers, examples=replicas * rows) for i in range(workers)]
    size = workers * replicas * rows
    numbers = np.arange(5 * replicas * rows)
    found = [share.positions(numbers).reshape(5, -1) for share in shares]
    for step in range(5):
        np.testing.assert_array_equal(
            np.concatenate([mine[step] for mine in found]), np.arange(size) + step * size
        )
    for end in range(4 * size):  # those below an end are a worker's first ones
        for share in shares:
            positions = share.positions(numbers)
            assert share.count_below(end) == np.sum(positions < end)
            assert (positions[: share.count_below(end)] < end).all()


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "kind, workers, replicas",
    [
        pytest.param("source", 2, 1, marks=SLOW),
        ("memory", 2, 2),
        pytest.param("source", 2, 2, marks=SLOW),
        pytest.param("source", 3, 1, marks=SLOW),
        pytest.param("memory", 3, 1, marks=SLOW),
    ],
)
@pytest.mark.long
def test_workers_train_on_the_batches_of_one(request, kind, workers, replicas):
    one = request.getfixturevalue(kind)
    first = 2 * 4 * workers * replicas  # of the third step
    settings = TRAIN | {"first_position": first}
    steps = 9  # over the ends of epochs
    whole = take(train_dataset(one, DATA, INPUTS, **settings), steps * workers * replicas)
    for index in range(workers):
        share = Share(index=index, count=workers, examples=4 * replicas)
        ds = train_dataset(one, DATA, INPUTS, **settings, versions=DRAW_VERSIONS, share=share)
        mine = [
            whole[step * workers * replicas + index * replicas + replica]
            for step in range(steps)
            for replica in range(replicas)
        ]
        assert_same(take(ds, steps * replicas), mine)


@pytest.mark.parametrize(
    "workers, replicas, rows",
    [(2, 2, 5)] + [pytest.param(*case, marks=SLOW) for case in ((2, 1, 4), (3, 1, 2), (4, 1, 9))],
)
@pytest.mark.long
def test_workers_evaluate_every_example_once_in_equally_many_batches(
    source, memory, workers, replicas, rows
):
    for one in (source, memory):
        seen, counts = [], set()
        for index in range(workers):
            share = Share(index=index, count=workers, examples=rows * replicas)
            ds = eval_dataset(one, INPUTS, rows, workers * replicas, share=share)
            batches = take(ds)
            counts.add(len(batches))
            seen += [i for batch in batches for i in batch.index.tolist() if i != PADDING]
        assert sorted(seen) == list(range(NUM_EXAMPLES))
        assert len(counts) == 1
