"""What `summary` counted, as text for people, no wider than the terminal."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf.config.fields import to_text

GAP = "  "
SAME, SIMILAR, ABSENT = "=", "~", "-"
"""Cells of a comparison: as the first network has it; but for details; not there."""
TITLES = ["layer", "kernel", "output", "parameters", "mult-adds", "neurons", "memory", "sees"]
LEFT = 3
"""Columns of words, before those of numbers."""


def one(account: Mapping[str, Any], columns: int) -> str:
    """Writes a network layer by layer.

    Args:
      account: what `networks.tables.summary.account` returned.
      columns: width of the terminal.

    Returns:
      Lines, without a final newline.
    """
    rows = [TITLES, *map(_row, account["layers"]), _sums(account["totals"])]
    notes = [
        f"memory: outputs of {account['global_batch_size']} examples in float32. sees: side of the "
        "square of the input that one output depends on, in pixels. /4: step of 4; g2: in 2 groups."
    ]
    lines = [*_about(account, columns), "", *_table(rows, LEFT, columns), ""]
    return "\n".join([*lines, *_wrapped(notes, columns)])


def side_by_side(result: Mapping[str, Any], columns: int) -> str:
    """Writes networks side by side, and below how they differ from the first.

    Args:
      result: with `networks` and `differences`, as `summary` makes it.
      columns: width of the terminal.
    """
    networks = result["networks"]
    rows = [["", *(account["network"] for account in networks)]]
    layers = [{layer["name"]: layer for layer in account["layers"]} for account in networks]
    for name in _union([list(each) for each in layers]):
        first, *others = (each.get(name) for each in layers)
        rows.append([name, _cell(None, first), *(_cell(first, other) for other in others)])
    for name in ("parameters", "multiply_adds", "neurons"):
        numbers = [f"{account['totals'][name]:,}" for account in networks]
        rows.append([name.replace("_", "-"), *numbers])
    note = (
        f"{SAME}: the same layer as in {networks[0]['network']}; {SIMILAR}: the same kernel and "
        f"output, but other details (below); {ABSENT}: no such layer."
    )
    lines = [*_table(rows, len(rows[0]), columns), "", *_wrapped([note], columns)]
    for difference in result["differences"]:
        lines += ["", *_difference(difference, columns)]
    return "\n".join(lines)


def family(accounts: Sequence[Mapping[str, Any]]) -> str:
    """Writes the table of the networks as Markdown."""
    titles = ("network", "source", "parameters", "multiply-adds", "neurons", "published error")
    rows = [f"| {' | '.join(titles)} |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for account in accounts:
        totals = account["totals"]
        numbers = [f"{totals[name]:,}" for name in ("parameters", "multiply_adds", "neurons")]
        published = "; ".join(map(_published, account["published"])) or "none published"
        cells = [f"`{account['network']}`", account["source"], *numbers, published]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _about(account: Mapping[str, Any], columns: int) -> list[str]:
    """Says where a network comes from, and what was published of it."""
    published = [_published(one) + f" ({one['by']})" for one in account["published"]]
    lines = [
        f"{account['network']}: {account['source']}",
        f"published error: {'; '.join(published) or 'none published'}",
    ]
    if account["note"]:
        lines.append(account["note"])
    if account["changed"]:
        changes = ", ".join(f"{x['setting']}={to_text(x['other'])}" for x in account["changed"])
        lines.append(f"changed: {changes}; what was published is not of this network")
    return _wrapped(lines, columns)


def _published(one: Mapping[str, Any]) -> str:
    """Writes top-1 and top-5 error as papers do."""
    top5 = "" if one["top5_error"] is None else f" / {_percent(one['top5_error'])}"
    views = "one view" if one["views"] == 1 else f"{one['views']} views"
    return f"{_percent(one['top1_error'])}{top5} %, {views}, {one['data']}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3f}".rstrip("0").rstrip(".")


def _row(layer: Mapping[str, Any]) -> list[str]:
    numbers = [_number(layer[name]) for name in ("parameters", "multiply_adds", "neurons")]
    memory = _bytes(layer["activation_bytes"])
    shape = _shape(layer["output_shape"])
    return [layer["name"], _kernel(layer), shape, *numbers, memory, f"{layer['receptive_field']:,}"]


def _sums(totals: Mapping[str, Any]) -> list[str]:
    numbers = [_number(totals[name]) for name in ("parameters", "multiply_adds", "neurons")]
    return ["total", "", "", *numbers, _bytes(totals["activation_bytes"]), ""]


def _number(number: int) -> str:
    return f"{number:,}" if number else ""


def _bytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _kernel(layer: Mapping[str, Any]) -> str:
    """Writes side, step and groups of a window; for other layers the kind."""
    details = layer["details"]
    if "stride" not in details:
        return layer["kind"].replace("_", " ")
    side = details.get("kernel") or details["size"]
    step = f"/{details['stride']}" if details["stride"] != 1 else ""
    groups = f" g{layer['groups']}" if layer["groups"] != 1 else ""
    words = {"conv": "", "pool": " mean" if details.get("is_mean") else " max"}
    return f"{side}x{side}{step}{groups}{words.get(layer['kind'], ' ' + layer['kind'])}"


def _cell(first: Mapping[str, Any] | None, layer: Mapping[str, Any] | None) -> str:
    """Writes a layer of a comparison; only what differs from the first network's."""
    if layer is None:
        return ABSENT
    text = f"{_kernel(layer)} {_shape(layer['output_shape'])}"
    if first is None or text != _cell(None, first):
        return text
    return SAME if layer["details"] == first["details"] else SIMILAR


def _union(orders: Sequence[Sequence[str]]) -> list[str]:
    """Merges orders of names; a new name stands after its predecessor in its own order."""
    result = list(orders[0])
    for order in orders[1:]:
        place = 0
        for name in order:
            if name not in result:
                result.insert(place, name)
            place = result.index(name) + 1
    return result


def _difference(difference: Mapping[str, Any], columns: int) -> list[str]:
    """Lists how a network differs from the first, one line for each layer."""
    layers, changes = difference["layers"], {}
    for one in difference["layers"]["changed"]:
        change = f"{one['what'].replace('_', ' ')} {_value(one['first'])} -> {_value(one['other'])}"
        changes.setdefault(one["layer"], []).append(change)
    lines = [f"{name}: {', '.join(words)}" for name, words in changes.items()]
    if layers["is_reordered"]:
        lines.append("the common layers are in another order")
    for key, word in (("only_first", "without"), ("only_other", "with")):
        if layers[key]:
            lines.append(f"{word} {', '.join(layers[key])}")
    for one in difference["settings"]:
        change = f"{to_text(one['first']) or 'none'} -> {to_text(one['other']) or 'none'}"
        lines.append(f"{one['setting']}: {change}")
    title = f"{difference['network']} against {difference['compared_with']}:"
    return [title, *_wrapped([f"  {line}" for line in lines], columns, "    ")]


def _value(value: Any) -> str:
    """Writes a value of a row; long tables of connections are shortened."""
    if isinstance(value, (tuple, list)) and value and isinstance(value[0], (tuple, list)):
        return f"{len(value)} lists"
    return to_text(value)


def _wrapped(lines: Sequence[str], columns: int, indent: str = "  ") -> list[str]:
    return [
        part
        for line in lines
        for part in textwrap.wrap(
            line, max(columns, 20), subsequent_indent=indent, break_on_hyphens=False
        )
    ]


def _table(rows: Sequence[Sequence[str]], num_left: int, columns: int) -> list[str]:
    """Aligns cells; columns that do not fit go below, next to the first column repeated."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    blocks, used = [[0]], widths[0]
    for place, width in enumerate(widths[1:], start=1):
        if used + len(GAP) + width > columns and len(blocks[-1]) > 1:
            blocks.append([0])
            used = widths[0]
        blocks[-1].append(place)
        used += len(GAP) + width
    lines = []
    for block in blocks:
        lines += [""] if lines else []
        for row in rows:
            cells = [
                row[i].ljust(widths[i]) if i < num_left else row[i].rjust(widths[i]) for i in block
            ]
            lines.append(GAP.join(cells).rstrip())
    return lines
