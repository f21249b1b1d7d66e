"""Values that several settings take, checked alike. Imports no TensorFlow."""

LARGEST_SIDE = 2**16
"""Of a square, in pixels."""
LARGEST_MEGAPIXELS = 178
"""TensorFlow's decoders take pictures below 2^29 values, at 3 a pixel."""


def is_color(levels) -> bool:
    """Tells whether these are three levels from 0 to 255."""
    if isinstance(levels, str) or len(levels) != 3:
        return False
    return all(isinstance(x, int | float) and 0 <= x <= 255 for x in levels)


def pixels(megapixels: float) -> int:
    """Counts the pixels of so many millions, 1 at least: 2.01 are 2,010,000, not one less."""
    return max(1, round(megapixels * 1e6))


def check_megapixels(name: str, value: float) -> None:
    """Refuses a limit of at most 0, or above what TensorFlow decodes."""
    if not 0 < value <= LARGEST_MEGAPIXELS:
        raise ValueError(
            f"{name}={value}: expected more than 0 and at most {LARGEST_MEGAPIXELS}, which is as "
            "far as TensorFlow decodes."
        )


def service_address(name: str, service: str) -> tuple[str, int]:
    """Takes grpc://HOST:PORT apart, the value of the setting `name`.

    Raises:
      ValueError: it has another form.
    """
    kind, _, place = service.partition("://")
    host, _, port = place.rpartition(":")
    if kind != "grpc" or not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(
            f"{name}={service}: expected grpc://HOST:PORT, as launch/data_service.sh prints it."
        )
    return host.strip("[]"), int(port)
