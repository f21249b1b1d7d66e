"""The same network in PyTorch, tuned as its users do: eager or compiled, in either layout.

PyTorch is not required; it is imported only when it is measured.
"""

import contextlib
import dataclasses

from alexnet_tf.benchmarking.spec import Spec
from alexnet_tf.benchmarking.timing import Work, check_is_stock, synthetic
from alexnet_tf.config.layer_rows import Activation, Layer
from alexnet_tf.config.network import DropoutMode, NetworkConfig
from alexnet_tf.config.run import Config, Precision
from alexnet_tf.errors import UserError
from alexnet_tf.networks.tables.resolved import table
from alexnet_tf.networks.tables.shapes import Row


def network(config: NetworkConfig, is_rewritten: bool = False):
    """Builds any network of the family as a torch.nn.Sequential: uint8 [N, 3, H, W] -> logits.

    Dropout doubles what it keeps in training (`network.dropout=inverted`), as PyTorch's own does.

    Args:
      config: what to build; `num_classes` is known.
      is_rewritten: whether local response normalization is written anew, instead of
        `torch.nn.LocalResponseNorm`.
    """
    from torch import nn

    check_is_stock(config)
    parts = [_normalize(config)]
    for row in table(config):
        layer = row.layer
        if layer.kind == "conv":
            parts += _convolution(row)
        elif layer.kind == "lrn":
            parts.append(_rewritten_lrn(row) if is_rewritten else _lrn(row))
        elif layer.kind == "pool":
            parts.append(nn.MaxPool2d(layer.size, layer.stride))
        elif layer.kind == "activate":
            parts += _activation(layer)
        elif layer.kind == "drop":
            rate = 0.0 if config.dropout == DropoutMode.NONE else config.dropout_rate
            parts.append(nn.Dropout(rate))
        else:
            parts += [nn.Flatten()] if len(row.input_shape) > 1 else []
            parts.append(nn.Linear(*row.kernel_shape))
            parts += _activation(layer)
    return nn.Sequential(*parts)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """How the network is run."""

    is_compiled: bool = False
    """Whether `torch.compile` compiles the network."""
    is_channels_last: bool = False
    """Whether arrays are NHWC in memory."""
    is_rewritten: bool = False
    """Whether local response normalization is written anew."""


def step(spec: Spec, **form: bool) -> Work:
    """Measures a training step.

    Args:
      spec: what to measure.
      form: of `Form`.

    Raises:
      UserError: nothing can be compiled here.
    """
    return _work(spec.config, _step, Form(**form))


def inference(spec: Spec, **form: bool) -> Work:
    """Measures the forward pass without a gradient; see `step`."""
    return _work(spec.config, _forward, Form(**form))


def _step(config: Config, model, images, labels):
    """Makes a function that does one training step."""
    import torch

    rates = config.optimizer
    kernels = [weight for weight in model.parameters() if weight.dim() > 1]
    biases = [weight for weight in model.parameters() if weight.dim() == 1]
    optimizer = torch.optim.SGD(
        [{"params": kernels, "weight_decay": rates.weight_decay}, {"params": biases}],
        lr=rates.learning_rate,
        momentum=rates.momentum,
        fused=True,
    )

    def one_step():
        optimizer.zero_grad(set_to_none=True)
        with _arithmetic(config, images.device):
            logits = model(images)
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return one_step


def _forward(config: Config, model, images, labels):
    """Makes a function that does one forward pass."""
    import torch

    model.eval()

    def forward():
        with torch.inference_mode(), _arithmetic(config, images.device):
            model(images)

    return forward


def _work(config: Config, make, form: Form) -> Work:
    """Makes Work of one form: eager or compiled, channels first or last."""
    import torch

    device = _device(config)
    model, images, labels = _on(config, device, form)
    one_step = make(config, torch.compile(model) if form.is_compiled else model, images, labels)
    if form.is_compiled:
        _compile(one_step)

    def run(num_steps: int) -> None:
        for _ in range(num_steps):
            one_step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return Work(
        run=run,
        units_per_step=config.run.global_batch_size,
        versions={"PyTorch": torch.__version__},
        accelerator=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    )


def _compile(one_step) -> None:
    """Runs the first step, which compiles.

    Raises:
      UserError: there is no compiler, or it fails.
    """
    from torch._dynamo.exc import TorchDynamoException

    try:
        one_step()
    except TorchDynamoException as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"torch.compile needs a C++ compiler that works: {reason}") from error


def _device(config: Config):
    """Finds PyTorch's device for the one of the other contenders."""
    import torch

    kind, _, index = (*config.run.devices, "gpu:0" if torch.cuda.is_available() else "cpu:0")[
        0
    ].partition(":")
    if kind == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(f"devices={kind}:{index}: this PyTorch sees no GPU")
    is_tf32 = config.run.precision == Precision.TF32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = is_tf32
    torch.backends.cudnn.benchmark = True
    return torch.device("cuda", int(index))


def _on(config: Config, device, form: Form):
    """Puts network and batch on a device."""
    import torch

    layout = torch.channels_last if form.is_channels_last else torch.contiguous_format
    images, labels = synthetic(config)
    images = torch.from_numpy(images).permute(0, 3, 1, 2).to(device)
    model = network(config.network, form.is_rewritten).to(device, memory_format=layout)
    labels = torch.from_numpy(labels).long().to(device)
    return model, images.contiguous(memory_format=layout), labels


def _arithmetic(config: Config, device):
    """Makes the context in which PyTorch computes in the run's precision."""
    import torch

    name = str(config.run.precision)
    if name in ("float32", "tf32"):
        return contextlib.nullcontext()
    return torch.autocast(device.type, getattr(torch, name))


def _normalize(config: NetworkConfig):
    """Makes the module that subtracts the mean and scales."""
    import torch

    class Normalize(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.tensor(config.input.mean).view(3, 1, 1))
            self.register_buffer("stdev", torch.tensor(config.input.stdev).view(3, 1, 1))

        def forward(self, x):
            return (x - self.mean) * config.input.scale / self.stdev

    return Normalize()


def _convolution(row: Row) -> list:
    """Makes the modules of a convolution: zero padding, the convolution, and its activation."""
    from torch import nn

    (before, after), layer = row.layer.pad, row.layer
    inputs, filters = row.kernel_shape[2] * row.groups, row.kernel_shape[3]
    is_even = before == after
    pads = [] if is_even else [nn.ZeroPad2d((before, after, before, after))]
    convolution = nn.Conv2d(
        inputs, filters, layer.kernel, layer.stride, before * is_even, groups=row.groups
    )
    return [*pads, convolution, *_activation(layer)]


def _activation(layer: Layer) -> list:
    """Makes the modules of a layer's activation."""
    from torch import nn

    modules = {
        Activation.LINEAR: [],
        Activation.RELU: [nn.ReLU(inplace=True)],
        Activation.TANH: [nn.Tanh()],
        Activation.SIGMOID: [nn.Sigmoid()],
    }
    return modules[layer.activation]


def _lrn(row: Row):
    """Makes PyTorch's own local response normalization, tower by tower."""
    from torch import nn

    layer, groups = row.layer, row.groups
    size = 2 * layer.radius + 1

    class TowerLrn(nn.Module):
        def __init__(self):
            super().__init__()
            # It divides alpha by the size.
            self.norm = nn.LocalResponseNorm(size, size * layer.alpha, layer.beta, layer.bias)

        def forward(self, x):
            towers = x.reshape(x.shape[0] * groups, -1, *x.shape[2:])
            return self.norm(towers).reshape(x.shape)

    return TowerLrn()


def _rewritten_lrn(row: Row):
    """Makes the same written to be fast, in float32 as ours.

    `torch.nn.LocalResponseNorm` averages windows by pooling in three dimensions. A convolution with
    a band of ones adds them, and two roots make the paper's power, in a third of the time; a step
    that is compiled gains a third too (PyTorch 2.13, CPU).
    """
    import torch

    layer, groups = row.layer, row.groups
    place = torch.arange(row.input_shape[-1] // groups)
    is_near = (place[:, None] - place).abs() <= layer.radius
    band = is_near.float().repeat(groups, 1)[:, :, None, None]

    class TowerLrn(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("band", band)

        def forward(self, x):
            with torch.autocast(x.device.type, enabled=False):
                wide = x.float()
                energy = torch.nn.functional.conv2d(wide * wide, self.band, groups=groups)
                base = layer.bias + layer.alpha * energy
                if layer.beta == 0.75:
                    root = base.rsqrt()
                    return (wide * root * root.sqrt()).to(x.dtype)
                return (wide / base**layer.beta).to(x.dtype)

    return TowerLrn()
