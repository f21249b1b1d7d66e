"""Which gradients workers send as factors, and that these make the whole gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from test_accumulation import ended

from alexnet_tf.config.run import RunConfig
from alexnet_tf.networks.layers.dense import Dense, products
from alexnet_tf.training import factors
from alexnet_tf.training.factors import Factors
from alexnet_tf.training.parts import sends_factors


@pytest.mark.parametrize(
    "shape, num_rows, expected",
    [
        ((9216, 4096), 256, True),
        ((4096, 4096), 256, True),
        ((4096, 1000), 256, True),
        ((4096, 1000), 512, False),
        ((9216, 4096), 2048, False),
        ((64, 16), 8, False),
    ],
)
def test_factors_are_sent_where_they_are_far_fewer_numbers(shape, num_rows, expected):
    assert sends_factors(shape, num_rows) == expected


@pytest.mark.parametrize(
    "settings, is_watched",
    [
        ({}, True),
        ({"collectives": "ring"}, True),
        ({"collectives": "nccl"}, False),
        ({"towers": 2}, False),
        ({"strategy": "mirrored"}, False),
        ({"strategy": "single"}, False),
    ],
)
def test_only_workers_on_cpus_send_them(settings, is_watched):
    x = keras.Input([512])
    large, frozen = Dense(512, name="large"), Dense(512, name="frozen", trainable=False)
    model = keras.Model(x, Dense(8, name="small")(frozen(large(x))))
    run = RunConfig(**{"strategy": "multi_worker", "global_batch_size": 8} | settings)
    kernels = factors.factored_kernels(model, run)
    assert kernels == ({id(large.kernel): tf.float32} if is_watched else {})
    with factors.watched(kernels) as found:
        model(tf.ones([2, 512]), training=True)
    assert [x.kernel.path for x in found] == ["large/kernel", "small/kernel"] * is_watched
    with products() as found:
        model(tf.ones([2, 512]), training=False)
    assert not found


@pytest.mark.slow
def test_parts_of_replicas_end_like_one_device(pictures, tmp_path, monkeypatch):
    whole = ended(pictures, tmp_path / "whole", steps=3)
    asked = []

    def kernels(model, run):
        asked.append({id(model.get_layer(name).kernel): tf.float32 for name in ("fc6", "fc8")})
        return asked[-1]

    monkeypatch.setattr(factors, "factored_kernels", kernels)
    tiny.assert_equal(ended(pictures, tmp_path / "run", 2, 2, steps=3), whole, atol=1e-6)
    assert asked


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_rows_of_all_replicas_make_the_gradient_of_the_batch(two_devices, dtype):
    draw = np.random.default_rng(0)
    x, weights = draw.normal(size=(6, 4)), draw.normal(size=(6, 3))
    strategy = tf.distribute.MirroredStrategy(two_devices)
    with strategy.scope():
        layer = Dense(3, dtype="float32" if dtype == "float32" else "mixed_bfloat16")
        layer.build((None, 4))

    @tf.function
    def step():
        def of_replica():
            place = tf.distribute.get_replica_context().replica_id_in_sync_group
            mine = slice(None), tf.range(3) + 3 * place
            rows = tf.cast(tf.gather(x, mine[1]), dtype)
            with tf.GradientTape() as tape, products() as found:
                y = layer(rows, training=True)
                own = tf.cast(tf.gather(weights, mine[1]), y.dtype)
                loss = tf.reduce_sum(tf.square(y) * own)
            (product,) = found
            return factors.gradient_of_all(Factors(product.x, tape.gradient(loss, product.y)))

        return strategy.experimental_local_results(strategy.run(of_replica))

    kernel = layer.kernel.numpy()
    expected = x.T @ (2 * (x @ kernel) * weights)
    for found in step():
        np.testing.assert_allclose(
            tf.cast(found, tf.float32), expected, atol=1e-5 if dtype == "float32" else 0.1
        )
