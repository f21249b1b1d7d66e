"""Where in what a PyTorch file holds the weights are, and what wrappers called them."""

from collections.abc import Mapping
from typing import Any

from alexnet_tf.errors import UserError, listed
from alexnet_tf.weights.pickles import LONGEST_KEY, Inert
from alexnet_tf.weights.stored import Stored, is_floating

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys of training programs for the weights, the surest first."""
PREFIXES = ("module.", "model.", "_orig_mod.")
"""What DataParallel, Lightning and torch.compile put before each name."""
MOST_ITEMS = 100_000
"""Of all modules of a network together: a damaged file may list one again and again."""


def arrays_of(found: Any) -> dict[str, Stored]:
    """Finds the weights.

    Args:
      found: what a file holds; tensors and arrays have `stored()`.

    Returns:
      arrays by their names without PREFIXES. What is no array has a type that is not read.

    Raises:
      UserError: there is no state dict, or there are several.
    """
    state = _state_dict(found, set())
    if not state:
        what = f"a {found.name} and " if isinstance(found, Inert) else ""
        raise UserError(
            f"it holds {what}no state dict; write one with torch.save(model.state_dict(), ...)."
        )
    return by_short_names({x: _stored(y) for x, y in state.items() if isinstance(x, str)})


def by_short_names(arrays: Mapping[str, Stored]) -> dict[str, Stored]:
    """Takes PREFIXES away from names, in any order and as often as they are there.

    Raises:
      UserError: two arrays have the same name then.
    """
    found, names = {}, {}
    for name, array in arrays.items():
        short = name
        while short.startswith(PREFIXES):
            short = short.partition(".")[2]
        if short in found:
            raise UserError(f"{names[short]} and {name} are both {short}; expected one of them.")
        found[short], names[short] = array, name
    return found


def _stored(value: Any) -> Stored:
    if hasattr(value, "stored"):
        return value.stored()
    kind = value.name if isinstance(value, Inert) else f"builtins.{type(value).__name__}"
    return Stored((), kind, lambda: None)


def _state_dict(found: Any, seen: set[int]) -> Mapping | None:
    """Looks under the keys of WRAPPERS first, then for the dictionary with most weights.

    Args:
      found: where to look.
      seen: identities of the dictionaries that were looked at: a file may refer back to one.
    """
    found = _of_module(found) if isinstance(found, Inert) else found
    if not isinstance(found, Mapping) or id(found) in seen:
        return None
    seen.add(id(found))
    for key in WRAPPERS:
        inner = _state_dict(found[key], seen) if key in found else None
        if inner:
            return inner
    inside = {id(x): (name, x) for name, x in found.items() if isinstance(x, Mapping)}
    candidates = [("its top", found), *inside.values()]
    counts = [_num_weights(values) for _, values in candidates]
    most = [x for x, count in zip(candidates, counts, strict=True) if count == max(counts)]
    if not max(counts):
        return None
    if len(most) > 1:
        raise UserError(
            f"it holds several state dicts: {listed(name for name, _ in most)}. Save one of them "
            "alone."
        )
    return most[0][1]


def _num_weights(values: Mapping) -> int:
    """Counts arrays that may be weights: not the state of a generator, not a number alone."""
    return sum(isinstance(name, str) and is_weight(x) for name, x in values.items())


def is_weight(value: Any) -> bool:
    """Whether a value is an array of floating-point numbers with axes."""
    if not hasattr(value, "stored"):
        return False
    try:
        array = value.stored()
    except ValueError:
        return True  # a damaged one, which is reported where it is needed
    return is_floating(array.dtype) and bool(array.shape)


def _of_module(module: Inert) -> dict[str, Any]:
    """Lists the arrays of a network that was saved whole, with its classes."""
    found, waiting, num_items = {}, [("", module)], 0
    for prefix, module in waiting:
        state = module.state if isinstance(module.state, Mapping) else {}
        parts = [state.get(key) for key in ("_parameters", "_buffers", "_modules")]
        for part in parts if "_modules" in state else [state]:  # TorchScript has all in one
            for name, value in part.items() if isinstance(part, Mapping) else ():
                num_items += 1
                if num_items > MOST_ITEMS or len(prefix) > LONGEST_KEY:
                    raise ValueError("a network without an end")
                if isinstance(value, Inert):
                    waiting.append((f"{prefix}{name}.", value))
                elif hasattr(value, "stored"):
                    found[f"{prefix}{name}"] = value
    return found
