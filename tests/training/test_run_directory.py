"""What happens to a run from outside."""

import json
import os
import pathlib
import signal

import pytest
import tiny_run

from alexnet_tf.config.run import Config, RunConfig
from alexnet_tf.errors import RunFailed, UserError
from alexnet_tf.training import checkpoint, run_directory, versions
from alexnet_tf.training.signals import Signals


@pytest.mark.parametrize(
    "number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_becomes_a_stop_request_and_its_exit_code(number, code, request):
    if signal.getsignal(number) is signal.SIG_IGN:  # as nohup leaves it to us
        signal.signal(number, signal.SIG_DFL)
        request.addfinalizer(lambda: signal.signal(number, signal.SIG_IGN))
    before = signal.getsignal(number)
    with Signals() as signals:
        assert signals.exit_code is None
        os.kill(os.getpid(), number)
        assert signals.exit_code == code
    assert signal.getsignal(number) is before


def test_a_terminal_that_closes_is_not_heard_where_nohup_says_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.exit_code is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_ctrl_c_interrupts_at_once():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & makes us ignore it
    with Signals(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_a_directory_that_cannot_be_read_is_not_left_locked(tmp_path):
    tiny_run.write_checkpoint(tmp_path, step=1)
    (tmp_path / "data.json").write_text("[]")
    for _ in range(2):
        with pytest.raises(RunFailed, match="holds no object"):
            with run_directory.opened(tmp_path):
                pass


def test_other_settings_are_refused_with_both_values(tmp_path):
    run_directory.describe_run(tmp_path, Config(), {})
    run_directory.check_same_run(tmp_path, Config(), {}, {})
    text = "holds a run with other settings: seed: 0 -> 1. Expected the same. Use them, or name"
    with pytest.raises(UserError, match=text):
        run_directory.check_same_run(tmp_path, Config(run=RunConfig(seed=1)), {}, {})


def test_a_small_file_of_another_shape_is_named(tmp_path):
    (tmp_path / "data.json").write_text("[]")
    text = "data.json' cannot be read: .*holds no object.* Expected it as it was written; put it"
    with pytest.raises(RunFailed, match=text):
        run_directory.read_json(tmp_path / "data.json")


def test_too_little_space_is_refused_with_both_figures(tmp_path):
    run_directory.check_space(tmp_path, 1)
    with pytest.raises(
        UserError, match="^run_dir=.*B free, expected 1,000,000,000 GB for weights. Make"
    ):
        run_directory.check_space(tmp_path, 10**18)


def test_a_small_file_is_replaced_whole_or_the_reason_is_told(tmp_path):
    run_directory.write_text(tmp_path / "result.json", "{}")
    assert (tmp_path / "result.json").read_text() == "{}\n"
    assert len(list(tmp_path.iterdir())) == 1
    text = r"^'.*result.json' could not be written: .* run the same command again\."
    with pytest.raises(RunFailed, match=text):
        run_directory.write_text(tmp_path / "nowhere" / "result.json", "{}")


def test_a_full_disk_is_told_as_such(tmp_path):
    full = pathlib.Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / ".result.json.unfinished").symlink_to(full)
    with pytest.raises(RunFailed, match="could not be written: No space left on device"):
        run_directory.write_text(tmp_path / "result.json", "{}")


def test_other_versions_are_remarked_on_and_another_order_refused():
    now = versions.versions()
    assert versions.check_versions(now, now) is None
    assert "tensorflow 1.0 ->" in versions.check_versions(now | {"tensorflow": "1.0"}, now)
    assert versions.check_versions(now | {"order_version": 1}, now) is None  # it keeps its order
    for unknown in (0, 3, None, [1]):
        with pytest.raises(UserError, match="order_version=.* in the checkpoint, expected 1 or 2"):
            versions.check_versions(now | {"order_version": unknown}, now)
    with pytest.raises(
        UserError, match="augmentation_version=0 in the checkpoint, expected 1 or 2"
    ):
        versions.check_versions(now | {"augmentation_version": 0}, now)


def test_other_names_of_classes_are_refused_with_the_first_differences_and_a_count():
    names = tuple(f"n{i:04}" for i in range(1000))
    run_directory.check_same_classes(pathlib.Path("run"), names, names)
    for now, text in (
        (("cat", *names[1:]), r"other classes: n0000 -> cat \(1 of 1000 differ\)"),
        (names[1:], r"n0002 -> n0003 and 997 more \(1000 of 1000 differ\).*--start_from=run"),
        ((*names, "dog"), r"none -> dog \(1 of 1001 differ\)"),
    ):
        with pytest.raises(UserError, match=text) as caught:
            run_directory.check_same_classes(pathlib.Path("run"), names, now)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda state: [state], "state.json holds no object"),
        (lambda state: state | {"classes": [1, 2]}, "classes are no list of names"),
        (lambda state: state | {"versions": 3}, "versions='3', expected dict"),
    ],
)
def test_what_is_wrong_with_a_description_is_said(tmp_path, change, text):
    tiny_run.write_checkpoint(tmp_path, step=1)
    path = tmp_path / "checkpoints" / "step-000000001" / "state.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(RunFailed, match=f"cannot be read: {text}. Expected it as it was"):
        checkpoint.load(tmp_path)
