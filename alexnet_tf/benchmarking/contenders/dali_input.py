"""NVIDIA DALI on processors at the work of our chain: files -> batches of uint8 windows."""

from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.benchmarking.timing import Work
from pipelines.machine import this_machine

LEAST_STEPS = 4
"""Batches in a round, as ours."""


def windows(spec: Spec) -> Work:
    """Batches as they come out of a pipeline without a GPU, a thread for each core."""
    from nvidia import dali
    from nvidia.dali import fn, types

    from alexnet_tf.benchmarking.sources import files

    inputs, rows, names = spec.config.network.input, spec.config.run.global_batch_size, files(spec)

    @dali.pipeline_def(
        batch_size=rows, num_threads=this_machine().cpus, device_id=None, prefetch_queue_depth=2
    )
    def pipeline():
        encoded, labels = fn.readers.file(files=names, labels=list(range(len(names))))
        images = fn.decoders.image(encoded, device="cpu", output_type=types.RGB)
        images = fn.resize(images, resize_shorter=inputs.resize, interp_type=types.INTERP_LINEAR)
        images = fn.crop(images, crop=(inputs.resize, inputs.resize))
        images = fn.crop_mirror_normalize(
            images,
            crop=(inputs.size, inputs.size),
            crop_pos_x=fn.random.uniform(range=(0.0, 1.0)),
            crop_pos_y=fn.random.uniform(range=(0.0, 1.0)),
            mirror=fn.random.coin_flip(),
            dtype=types.UINT8,
            mean=[0.0],
            std=[1.0],
            output_layout="HWC",
        )
        return images, labels

    built = pipeline()
    built.build()

    def run(num_steps: int) -> None:
        for _ in range(num_steps):
            images, _ = built.run()
            images.as_tensor()

    return Work(
        run=run,
        units_per_step=rows,
        least_steps=LEAST_STEPS,
        versions={"DALI": dali.__version__},
    )
