"""PyTorch's DataLoader at the work of our chain: pictures -> batches of uint8 windows, in order.

Tuned as its users tune it: a worker process for each core, which lives on; pixels stay bytes, in
the layout that torchvision resizes fastest. The workers are started afresh, without TensorFlow.
"""

import atexit
import functools
import io
import pathlib
import tempfile

from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.benchmarking.timing import Work, cpu_seconds_of_all
from pipelines.machine import this_machine

LEAST_STEPS = 4
"""Batches in a round, as ours."""


class Windows:
    """A data set in the sense of PyTorch: numbered windows, uint8 [3, size, size].

    Args:
      files: paths of the pictures.
      size, resize: side of the window, and of the square that it is cut from.
      length: numbers go so far, over and over the files.
      interpolation: how a picture is resized, by its name in torchvision.
    """

    def __init__(
        self, files: list[str], size: int, resize: int, length: int, interpolation: str = "bilinear"
    ):
        """Only takes notes: what it does is made where it is done."""
        self.files, self.size, self.resize, self.length = files, size, resize, length
        self.interpolation = interpolation

    def __len__(self) -> int:
        """Counts the numbers."""
        return self.length

    def __getitem__(self, index: int):
        """Reads, decodes, resizes the central square, cuts a window and mirrors it."""
        from PIL import Image

        functional, augment = self._made
        contents = pathlib.Path(self.files[index % len(self.files)]).read_bytes()
        image = functional.pil_to_tensor(Image.open(io.BytesIO(contents)).convert("RGB"))
        image = functional.center_crop(image, [min(image.shape[1:])] * 2)
        mode = functional.InterpolationMode(self.interpolation)
        image = functional.resize(image, [self.resize] * 2, mode, antialias=True)
        return augment(image), index % len(self.files)

    @functools.cached_property
    def _made(self):
        """The functions, and the transform that is random."""
        v2 = transforms()
        random = v2.Compose([v2.RandomCrop(self.size), v2.RandomHorizontalFlip()])
        return v2.functional, random


class SquareWindows(Windows):
    """The same of squares in one file of NumPy's, which is mapped into memory.

    Args:
      file: path of an .npy, uint8 [n, resize, resize, 3].
      size: side of the window.
      length: numbers go so far, over and over the squares.
    """

    def __init__(self, file: str, size: int, length: int):
        """Only takes notes."""
        super().__init__([file], size, 0, length)

    def __getitem__(self, index: int):
        """Copies a square, cuts a window and mirrors it."""
        import torch

        square = self._squares[index % len(self._squares)]
        _, augment = self._made
        return augment(torch.from_numpy(square.copy()).permute(2, 0, 1)), index

    @functools.cached_property
    def _squares(self):
        import numpy as np

        return np.load(self.files[0], mmap_mode="r")


def windows(spec: Spec, interpolation: str = "bilinear") -> Work:
    """Batches as they come out of the DataLoader.

    Args:
      spec: what to measure.
      interpolation: bilinear is torchvision's default.
    """
    import torch

    rows = spec.config.run.global_batch_size
    transforms()
    loader = torch.utils.data.DataLoader(
        _data_set(spec, 10**7, interpolation),
        batch_size=rows,
        num_workers=this_machine().cpus,
        multiprocessing_context="spawn",
        persistent_workers=True,
    )
    batches = iter(loader)

    def run(num_steps: int) -> None:
        for _ in range(num_steps):
            next(batches)

    return Work(
        run=run,
        units_per_step=rows,
        least_steps=LEAST_STEPS,
        cpu_seconds=cpu_seconds_of_all,
        versions={"PyTorch": torch.__version__, "torchvision": _version()},
    )


def _data_set(spec: Spec, length: int, interpolation: str) -> Windows:
    """Makes the data set: of files, or of the squares of a packed set."""
    from alexnet_tf.benchmarking import sources

    inputs = spec.config.network.input
    if not spec.has_squares:
        files = sources.files(spec)
        return Windows(files, inputs.size, inputs.resize, length, interpolation)
    import numpy as np

    file = tempfile.NamedTemporaryFile(suffix=".npy")
    np.save(file, sources.squares(spec))
    file.flush()
    windows = SquareWindows(file.name, inputs.size, length)
    atexit.register(file.close)
    return windows


def transforms():
    """Imports torchvision's transforms, on machines too where its compiled operators do not load.

    torchvision 0.28 from PyPI is built for CUDA; beside a PyTorch for CPUs it misses the
    declarations of two operators that no transform calls.
    """
    import torch

    try:
        from torchvision.transforms import v2
    except RuntimeError:
        transforms.library = torch.library.Library("torchvision", "DEF")  # lives with the process
        for name in ("nms", "qnms"):
            text = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            transforms.library.define(text)
        from torchvision.transforms import v2
    return v2


def _version() -> str:
    import torchvision

    return torchvision.__version__
