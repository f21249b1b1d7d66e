"""Finds the weights among the contents of a PyTorch file, and removes wrappers' prefixes."""

import dataclasses
import itertools
import types
from collections.abc import Mapping
from typing import Any, NamedTuple

from alexnet_tf.errors import UserError, listed
from alexnet_tf.weights.pickles import LONGEST_KEY, Inert
from alexnet_tf.weights.stored import Stored, is_floating

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys of training programs for the weights, the surest first."""
PREFIXES = ("module.", "model.", "_orig_mod.")
"""What DataParallel, Lightning and torch.compile put before each name."""
MOST_ITEMS = 100_000
"""Of all networks of a file together: a damaged file may list one again and again."""

COLLECTIONS = (Mapping, Inert, list, tuple)
"""What may have weights inside."""


def arrays_of(found: Any) -> dict[str, Stored]:
    """Finds the weights.

    Args:
      found: the contents of a file; tensors and arrays have `stored()`.

    Returns:
      arrays by their names without PREFIXES. Other values get a type that is not read.

    Raises:
      UserError: there is no state dict, or there are several.
    """
    best = _Search().best(found)
    if best.is_empty:
        what = f"a {found.name} and " if isinstance(found, Inert) else ""
        raise UserError(
            f"it holds {what}no state dict; write one with torch.save(model.state_dict(), ...)."
        )
    if len(best.found) > 1:
        raise UserError(
            f"it holds several state dicts: {listed(best.found)}. Save one of them alone."
        )
    (state,) = best.found.values()
    return by_short_names({x: _stored(y) for x, y in state.items() if isinstance(x, str)})


def by_short_names(arrays: Mapping[str, Stored]) -> dict[str, Stored]:
    """Removes PREFIXES from names, in any order and repeatedly.

    Raises:
      UserError: two arrays would have the same name.
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


class _Best(NamedTuple):
    """The dictionaries with the most weights; of equal ones the least nested."""

    rank: tuple[int, int] = (0, 0)
    """Number of weights in each of them; minus the number of keys that lead to it."""
    found: Mapping[str, Mapping] = types.MappingProxyType({})
    """The dictionaries, by these keys."""

    @property
    def is_empty(self) -> bool:
        """Whether there are no weights."""
        return not self.rank[0]


@dataclasses.dataclass(eq=False)
class _Search:
    """Searches the contents of a file; each object once, since there may be cycles."""

    seen: set[int] = dataclasses.field(default_factory=set)
    """Identities of the objects visited."""
    num_items: int = 0
    """Number of items of networks visited."""

    def best(self, found: Any, *keys: Any) -> _Best:
        """Follows WRAPPERS where they lead to weights, and counts weights where they do not.

        Args:
          found: the object to search.
          keys: the keys that led there.
        """
        if id(found) in self.seen or not isinstance(found, COLLECTIONS):
            return _Best()
        self.seen.add(id(found))
        values = self._values(found)
        place = ".".join(map(str, keys)) or "its top"
        several = [_Best((_num_weights(values), -len(keys)), {place: values})]
        for key in (*WRAPPERS, *(key for key in values if key not in WRAPPERS)):
            best = self.best(values.get(key), *keys, key)
            if key in WRAPPERS and not best.is_empty:
                return best
            several += [] if best.is_empty else [best]
        most = max(x.rank for x in several)
        same = [x.found.items() for x in several if x.rank == most]
        return _Best(most, dict(itertools.chain.from_iterable(same)))

    def _values(self, found: Any) -> Mapping:
        """Lists the items of a collection by key; of a network, its arrays by their names."""
        if isinstance(found, Inert):
            return found.entries or self._of_module(found)
        if isinstance(found, Mapping):
            return found
        return {i: x for i, x in enumerate(found) if isinstance(x, COLLECTIONS)}

    def _of_module(self, module: Inert) -> dict[str, Any]:
        """Lists the arrays of a network that was saved whole, with its classes."""
        found, waiting = {}, [("", module, (id(module),))]
        for prefix, module, above in waiting:
            state = module.state if isinstance(module.state, Mapping) else {}
            parts = [state.get(key) for key in ("_parameters", "_buffers", "_modules")]
            for part in parts if "_modules" in state else [state]:  # TorchScript has all in one
                for name, value in part.items() if isinstance(part, Mapping) else ():
                    self.num_items += 1
                    if self.num_items > MOST_ITEMS or len(prefix) > LONGEST_KEY:
                        return found
                    if hasattr(value, "stored"):
                        found[f"{prefix}{name}"] = value
                    elif isinstance(value, Inert) and id(value) not in above:
                        waiting.append((f"{prefix}{name}.", value, (*above, id(value))))
        return found


def _num_weights(values: Mapping) -> int:
    """Counts arrays that may be weights: neither states of generators nor scalars."""
    return sum(isinstance(name, str) and is_weight(x) for name, x in values.items())


def is_weight(value: Any) -> bool:
    """Tells whether a value is an array of floating-point numbers with axes."""
    if not hasattr(value, "stored"):
        return False
    try:
        array = value.stored()
    except ValueError:
        return True  # a damaged one, which is reported where it is needed
    return is_floating(array.dtype) and bool(array.shape)
