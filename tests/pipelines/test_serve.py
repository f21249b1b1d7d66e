"""The command that serves batches: what it refuses."""

import contextlib
import re
import socket

import pytest

from alexnet_tf.errors import RunFailed, UserError
from pipelines import serve


def test_a_port_that_cannot_be_is_refused():
    with pytest.raises(UserError, match="port=0: expected 1 to 65535"):
        serve.main(["--port=0"])


def test_a_dispatcher_of_another_form_is_refused():
    with pytest.raises(UserError, match="dispatcher=here: expected grpc://HOST:PORT"):
        serve.main(["--dispatcher=here"])


def test_a_port_in_use_is_one_sentence():
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        said = r"The service could not be started on localhost: .* Try another --port, or another"
        with pytest.raises(RunFailed, match=re.compile(said, re.DOTALL)):
            serve.main([f"--port={taken.getsockname()[1]}", "--host=localhost"])
