"""Names of arrays: those missing or unknown in a file, and layers under other names."""

from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf.errors import UserError, listed
from alexnet_tf.weights.stored import is_floating

Shapes = Mapping[str, tuple[int, ...]]


def renamed(
    arrays: Mapping[str, Any], rename: Sequence[str], modules: Mapping[str, str]
) -> dict[str, Any]:
    """Renames layers to the names that a network has.

    Args:
      arrays: arrays by the file's names.
      rename: OLD=NEW each; OLD is a layer's name or the start of several, up to a dot or slash.
      modules: the program's names of layers by ours; NEW may be either.

    Raises:
      UserError: there is no such layer, or another array has the new name.
    """
    pairs = [(old, modules.get(new, new)) for old, _, new in (x.partition("=") for x in rename)]
    found, used = {}, set()
    for name, array in arrays.items():
        for old, new in pairs:
            if name == old or name.startswith((f"{old}/", f"{old}.")):
                name = new + name[len(old) :]
                used.add(old)
                break
        if name in found:
            raise UserError(
                f"rename={','.join(rename)}: expected another name for each array, but two would "
                f"be {name}."
            )
        found[name] = array
    for old, _ in pairs:
        if old not in used:
            layers = dict.fromkeys(_split(name)[0] for name in arrays)
            raise UserError(f"rename={old}=...: expected one of its layers {listed(layers, 16)}.")
    return found


def check(
    arrays: Mapping[str, Any], expected: Shapes, modules: Mapping[str, str], network: str
) -> None:
    """Compares the names of a file with those of a network.

    Unknown arrays of integers are ignored: they are counters and the like, not weights.

    Args:
      arrays: arrays, with `shape` and `dtype`, by the program's names.
      expected: shapes of what the network needs, by the program's names.
      modules: the program's names of layers by ours.
      network: the network's name.

    Raises:
      UserError: a name is missing or unknown; the message has the --rename that may help.
    """
    missing = [name for name in expected if name not in arrays]
    unknown = [x for x in arrays if x not in expected and is_floating(str(arrays[x].dtype))]
    if not missing and not unknown:
        return
    flag = _suggested(
        {name: expected[name] for name in missing},
        {name: tuple(arrays[name].shape) for name in unknown},
        list(expected)[-1],
        {theirs: ours for ours, theirs in modules.items()},
    )
    way_out = (
        f"Where these are its layers under other names, add --rename={flag}."
        if flag
        else "Expected those of the same network; name it with --network.name."
    )
    raise UserError(
        f"the weights do not fit network.name={network}: missing {listed(missing)}; unknown "
        f"{listed(unknown)}. {way_out}"
    )


def _split(name: str) -> tuple[str, str]:
    """Splits the name of an array into its layer's and the rest."""
    place = max(name.rfind("/"), name.rfind("."))
    return name[: max(place, 0)], name[place + 1 :]


def _layers(shapes: Shapes) -> dict[str, dict[str, tuple[int, ...]]]:
    """Groups shapes by layer."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        layer, part = _split(name)
        found.setdefault(layer, {})[part] = shape
    return found


def _suggested(missing: Shapes, unknown: Shapes, last: str, ours: Mapping[str, str]) -> str:
    """Finds an unknown layer of the same shape for each that is missing.

    Args:
      missing: arrays that the network needs.
      unknown: arrays that the file has.
      last: an array of the last layer, which may have another number of classes.
      ours: our names of layers by the program's.

    Returns:
      the value of --rename; empty where a missing layer has no such partner.
    """
    free, pairs = _layers(unknown), []
    for layer, needed in _layers(missing).items():
        is_last = layer == _split(last)[0]
        fitting = [
            name
            for name, given in free.items()
            if needed.keys() <= given.keys()
            and all(_alike(given[part], needed[part], is_last) for part in needed)
        ]
        if not fitting:
            return ""
        best = next((name for name in fitting if name.endswith(layer)), fitting[0])
        del free[best]
        pairs.append(f"{best}={ours.get(layer, layer)}")
    return ",".join(pairs)


def _alike(given: tuple[int, ...], needed: tuple[int, ...], is_last: bool) -> bool:
    """Tells whether two shapes are equal, but for the number of classes."""
    if len(given) != len(needed):
        return False
    return sum(a != b for a, b in zip(given, needed, strict=True)) <= is_last
