"""Serves decoded batches to training elsewhere: python -m pipelines.serve [--port=5050].

A tf.data service: one dispatcher, and on any number of machines workers that decode. What they
decode comes with the training (`train --data.service=grpc://HOST:PORT`), so all machines have to
see its pictures by the same path. Runs until SIGTERM or Ctrl-C; launch/data_service.sh starts it.
"""

import dataclasses
import json
import socket
import sys
import threading
from collections.abc import Sequence

from alexnet_tf.command_line import flags
from alexnet_tf.errors import RunFailed, UserError, user_errors
from pipelines.checks import service_address


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Makes training batches for a host that cannot feed its devices (tf.data service).

    Without --dispatcher it starts a dispatcher and a worker beside it; with it, a worker more.
    """

    port: int = 5050
    """Port of the dispatcher that is started here."""
    worker_port: int = 0
    """Port of the worker, where a firewall lets only some through; 0 takes any that is free."""
    dispatcher: str = ""
    """grpc://HOST:PORT of a dispatcher that runs already: only a worker is started here."""
    host: str = ""
    """Name by which the other machines reach this one. Default: the machine's own name."""

    def __post_init__(self):
        """Refuses ports and addresses that cannot be."""
        if not 0 < self.port < 2**16:
            raise ValueError(f"port={self.port}: expected 1 to 65535.")
        if not 0 <= self.worker_port < 2**16:
            raise ValueError(
                f"worker_port={self.worker_port}: expected a port, or 0 for any that is free."
            )
        if self.dispatcher:
            service_address("dispatcher", self.dispatcher)


def main(argv: Sequence[str]) -> int:
    """Runs the command; ends with a signal alone."""
    arguments = flags.parse(argv, Arguments).arguments
    host = arguments.host or socket.gethostname()
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:  # TensorFlow would look for it for ever
        raise UserError(
            f"host={host!r} is no name or address that this machine finds "
            f"({getattr(error, 'strerror', None) or error}); expected one that the training "
            "processes reach. Name another --host, such as localhost."
        ) from error
    if arguments.dispatcher and arguments.port != Arguments.port:
        said = "--port is the dispatcher's and changes nothing with --dispatcher; see --worker_port"
        print(said, file=sys.stderr, flush=True)
    import tensorflow as tf

    if arguments.dispatcher:
        from pipelines.service import check

        with user_errors():
            check(arguments.dispatcher, "dispatcher")
    service, dispatcher = tf.data.experimental.service, None
    address, port = arguments.dispatcher.partition("://")[2], arguments.worker_port or "%port%"
    try:
        if not address:
            settings = service.DispatcherConfig(port=arguments.port)
            dispatcher = service.DispatchServer(settings)
            address = f"{host}:{arguments.port}"
        worker = service.WorkerServer(
            service.WorkerConfig(
                dispatcher_address=address,
                worker_address=f"{host}:{port}",
                port=arguments.worker_port or None,
            )
        )
    except (tf.errors.OpError, RuntimeError) as error:
        raise RunFailed(
            f"The service could not be started on {host}: {error}. Try another --port, or another "
            "--host."
        ) from error
    print(json.dumps({"service": f"grpc://{address}"}), flush=True)
    threading.Event().wait()
    del dispatcher, worker  # they live until here
    return 0


if __name__ == "__main__":
    flags.run_command(main)
