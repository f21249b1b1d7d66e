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


def test_a_worker_port_that_cannot_be_is_refused():
    with pytest.raises(UserError, match="worker_port=70000: expected a port, or 0 for any"):
        serve.main(["--worker_port=70000"])


def test_a_dispatcher_that_does_not_answer_is_refused(capsys):
    with contextlib.closing(socket.socket()) as free:
        free.bind(("localhost", 0))
        place = f"grpc://localhost:{free.getsockname()[1]}"
        with pytest.raises(UserError, match=f"dispatcher='{place}': nothing answers there"):
            serve.main([f"--dispatcher={place}", "--port=5051"])
    said = "--port is the dispatcher's and changes nothing with --dispatcher; see --worker_port"
    assert said in capsys.readouterr().err


def test_a_host_that_cannot_be_found_is_refused():
    with pytest.raises(UserError, match="host='no-such-host.invalid' is no name or address that t"):
        serve.main(["--host=no-such-host.invalid"])


def test_a_port_in_use_is_one_sentence():
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        said = r"The service could not be started on localhost: .* Try another --port, or another"
        with pytest.raises(RunFailed, match=re.compile(said, re.DOTALL)):
            serve.main([f"--port={taken.getsockname()[1]}", "--host=localhost"])
