"""Data and inputs that cannot be are refused where they are written."""

import pytest

from pipelines.config import DataConfig, InputConfig


@pytest.mark.parametrize(
    "values, message",
    [
        ({"size": 0}, "network.input.size=0: expected at least 1."),
        ({"resize": 223}, "network.input.resize=223: expected at least network.input.size=224"),
        ({"mean": (1, 2)}, r"network.input.mean=\(1.0, 2.0\): expected three levels \(red, green,"),
        ({"mean": (1, 2, 256)}, r"network.input.mean=.*: expected three levels \(red, green, blue"),
        ({"scale": 0}, "network.input.scale=0.0: expected a positive number"),
        ({"stdev": (1, 1, 0)}, r"network.input.stdev=.*: expected three positive numbers \(red"),
    ],
)
def test_an_input_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        InputConfig(**values)


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"source": "folder:"},
            "data.source='folder:': expected shapes, folder:DIR, records:DIR or",
        ),
        (
            {"source": "imagenet"},
            "data.source='imagenet': expected shapes, folder:DIR, records:DIR or",
        ),
        (
            {"cache": "disk"},
            "data.cache=disk: expected a directory .* Name one with --data.cache_d",
        ),
        (
            {"cache": "memory", "cache_dir": "kept"},
            "data.cache_dir='kept': expected data.cache=disk with it, got data.cache=memory. Use",
        ),
        (
            {"source": "folder:DIR", "stage": "/local"},
            "data.stage='/local': expected a packed set, data.source=records:DIR, got data.source=",
        ),
        ({"stage": "gs://there"}, "data.stage='gs://there': expected a directory on a local disk."),
        ({"held_out": 1}, "data.held_out=1.0: expected a part between 0 and 1"),
        ({"train_part": 0}, "data.train_part=0.0: expected more than 0, at most 1"),
        ({"color_noise": 2}, "data.color_noise=2.0: expected 0 to 1"),
        (
            {"max_megapixels": 0},
            "data.max_megapixels=0.0: expected more than 0 and at most .*, which is as far as",
        ),
    ],
)
def test_data_that_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        DataConfig(**values)


@pytest.mark.parametrize(
    "megapixels, count", [(2.01, 2_010_000), (4.18, 4_180_000), (1e-7, 1), (178, 178_000_000)]
)
def test_so_many_millions_of_pixels_are_that_many(megapixels, count):
    assert DataConfig(max_megapixels=megapixels).max_pixels == count
