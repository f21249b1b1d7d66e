"""The result of a benchmark for people: a table in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf.benchmarking import scaling_text
from alexnet_tf.benchmarking.contenders.table import contender
from alexnet_tf.benchmarking.machine import sentence
from alexnet_tf.benchmarking.spec import What

TITLES = {
    What.STEP: "Training steps on a batch that is on the device",
    What.INFERENCE: "Forward passes on a batch that is on the device",
    What.LOOP: "The loop of train against its step alone",
    What.INPUT: "From files to batches, the network left out",
    What.STRATEGY: "Training steps of each strategy on a batch that is on the devices",
    What.SCALING: "Data parallelism, predicted from steps of one worker",
}
LOOP_NOTE = (
    "allowed: to squares in memory the speed of the step, to encoded pictures what the decoder's "
    "own CPU time leaves of it"
)

PYTORCH_NOTE = (
    "PyTorch: the same network, tuned as its users do: fused SGD, torch.compile, either layout, "
    "huge pages as ours. LRN rewritten: local response normalization as a convolution instead of "
    "torch.nn.LocalResponseNorm"
)
BEST_PYTORCH = {
    "best_pytorch": "the best PyTorch as its users tune it",
    "best_pytorch_lrn_rewritten": "the best with local response normalization rewritten",
}


def text(result: Mapping[str, Any]) -> str:
    """Writes a result for people.

    Args:
      result: what `report.result` returned.

    Returns:
      Lines, without a final newline.
    """
    what = What(result["benchmark"])
    plural = "s" * (result["rounds"] != 1)
    about = (
        f"{result['network']} network, batch {result['global_batch_size']}, "
        f"{result['precision']}, {result['device']}, median of {result['rounds']} round{plural} "
        "in turn"
    )
    if what == What.LOOP:
        columns, notes = _loop_columns(result), [f"pictures: {result['pictures']}", LOOP_NOTE]
    elif what == What.INPUT:
        columns = _input_columns(result)
        notes = [f"pictures: {result['pictures']}", *_notes_of_contenders(result, what)]
    elif what == What.STRATEGY:
        columns, notes = _strategy_columns(result), _notes_of_contenders(result, what)
    elif what == What.SCALING:
        columns = _step_columns(result)
        notes = scaling_text.lines(result["scaling"], aligned)
        notes += _notes_of_contenders(result, what)
    else:
        columns, notes = _columns(result), _notes(result, what)
    missing = [
        f"{contender(what, one['name']).label}: left out, {one['reason']}"
        for one in result["left_out"]
    ]
    lines = [f"{TITLES[what]}", about, "", *aligned(columns), ""]
    return "\n".join([*lines, *notes, *missing, sentence(result["machine"]), result["command"]])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Writes a table in Markdown with aligned columns; numbers to the right.

    Args:
      rows: cells, the titles first; the first column has names, the others numbers or words.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [lines[0], f"| {' | '.join(rule)} |", *lines[1:]]


def _columns(result: Mapping[str, Any]) -> list[list[str]]:
    """Makes the cells of the table of `step` and `inference`."""
    rows = [["", "images/s", "lowest - highest", "alexnet_tf is", "GFLOP/s", "share of peak"]]
    for one in result["contenders"]:
        times = one["ours_times"]
        rows.append(
            [
                *_speed(result, one),
                f"{times:.2f} x as fast" if times else "",
                f"{one['gflop_per_second']:.1f}",
                f"{100 * one['share_of_peak']:.1f} %",
            ]
        )
    return rows


def _loop_columns(result: Mapping[str, Any]) -> list[list[str]]:
    """Makes the cells of the table of `loop`."""
    rows = [["", "images/s", "lowest - highest", "ms of CPU an image", "allowed", "loses"]]
    for one in result["contenders"]:
        allowed, loss = one["allowed_images_per_second"], one["loss_percent"]
        rows.append(
            [
                *_speed(result, one),
                f"{1000 * one['cpu_seconds_per_image']:.2f}",
                f"{allowed:.1f}" if allowed else "",
                f"{loss:.1f} %" if allowed else "",
            ]
        )
    return rows


def _input_columns(result: Mapping[str, Any]) -> list[list[str]]:
    """The table of `input`."""
    titles = ["images/s", "lowest - highest", "ms of CPU an image", "alexnet_tf is", "of the limit"]
    rows = [["", *titles]]
    for one in result["contenders"]:
        times = one["ours_times"]
        rows.append(
            [
                *_speed(result, one),
                f"{1000 * one['cpu_seconds_per_image']:.3f}",
                f"{times:.2f} x as fast" if times else "",
                f"{100 * one['share_of_limit']:.0f} %",
            ]
        )
    return rows


def _strategy_columns(result: Mapping[str, Any]) -> list[list[str]]:
    """The table of `strategy`."""
    rows = [["", "images/s", "lowest - highest", "ms a step", "ms of CPU an image", "of single"]]
    for one in result["contenders"]:
        rows.append(
            [
                *_speed(result, one),
                f"{1000 * one['step_seconds']:.1f}",
                f"{1000 * one['cpu_seconds_per_image']:.2f}",
                f"{100 * one['of_single']:.1f} %",
            ]
        )
    return rows


def _step_columns(result: Mapping[str, Any]) -> list[list[str]]:
    """The table of `scaling`'s measurements."""
    rows = [["", "ms a step"]]
    for one in result["contenders"]:
        label = contender(What.SCALING, one["name"]).label
        rows.append([label, f"{1000 * one['step_seconds']:.2f}"])
    return rows


def _speed(result: Mapping[str, Any], one: Mapping[str, Any]) -> list[str]:
    """Makes the cells of name and speed, with significant digits alone."""
    digits = 1 if one["images_per_second"] < 1000 else 0
    label = contender(What(result["benchmark"]), one["name"]).label
    return [
        label,
        f"{one['images_per_second']:.{digits}f}",
        f"{one['lowest']:.{digits}f} - {one['highest']:.{digits}f}",
    ]


def _notes_of_contenders(result: Mapping[str, Any], what: What) -> list[str]:
    """What they do, where the name does not say it."""
    contenders = [contender(what, one["name"]) for one in result["contenders"]]
    return [f"{one.label}: {one.note}" for one in contenders if one.note]


def _notes(result: Mapping[str, Any], what: What) -> list[str]:
    """Lists the notes below the table."""
    notes = _notes_of_contenders(result, what)
    best = {said: result[key] for key, said in BEST_PYTORCH.items() if result[key]}
    if best:
        times = [
            f"{one['ours_times']:.2f} x {said}: {contender(what, one['name']).form}"
            for said, one in best.items()
        ]
        notes += [PYTORCH_NOTE, "; ".join(times)]
    notes.append(f"{result['gflop_per_image']:.3g} GFLOP an image")
    if result["of_predicted"]:
        notes.append(
            f"{result['of_predicted']:.2f} x the speed that {result['multiply_adds']:,} "
            "multiply-adds predict from the speed of paper"
        )
    if result["crossing_bytes_per_image"]:
        crossing = result["crossing_bytes_per_image"]
        layers = ", ".join(f"{name} {count:,}" for name, count in crossing["layers"].items())
        notes.append(
            f"bytes an image between the towers: {crossing['forward']:,} forward ({layers}), "
            f"{crossing['backward']:,} backward"
        )
    return notes
