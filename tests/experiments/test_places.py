"""Maps brought to few places: against PyTorch, and what stays as it is."""

import numpy as np
import pytest

from alexnet_tf.experiments.places import few_places


@pytest.mark.parametrize("height, width", [(27, 27), (13, 13), (6, 6), (7, 4), (3, 20)])
def test_maxima_are_those_of_pytorch(height, width):
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
    size = min(6, height), min(6, width)
    expected = torch.nn.AdaptiveMaxPool2d(size)(torch.tensor(maps.transpose(0, 3, 1, 2)))
    found = few_places(maps, 6).numpy()
    np.testing.assert_array_equal(found, expected.numpy().transpose(0, 2, 3, 1))


def test_vectors_stay():
    vectors = np.ones([2, 9], np.float32)
    np.testing.assert_array_equal(few_places(vectors, 6), vectors)
