"""A directory that one process has at a time."""

import fcntl
import pathlib

from alexnet_tf.errors import UserError


class InUse(UserError):
    """Another process has a directory."""


class Lock:
    """Keeps a second process out of a directory; the system releases it when we end."""

    def __init__(
        self,
        directory: pathlib.Path,
        name: str = "run_dir",
        file: str = "lock",
        waits: bool = False,
    ):
        """Takes the lock.

        Args:
          directory: made where it is missing.
          name: the setting that names it, for messages.
          file: what is locked there.
          waits: until another process releases it.

        Raises:
          InUse: another process has it.
          UserError: the directory cannot be written, or has no locks.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = open(directory / file, "a", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise UserError(
                f"{name}={str(directory)!r} cannot be written: {error.strerror}. Expected a "
                f"directory that this user may write; name another with --{name}."
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            self._file.close()
            raise InUse(
                f"{name}={str(directory)!r} is in use by another process; expected one run in a "
                f"directory. Wait for it, or name another with --{name}."
            ) from None
        except OSError as error:
            self._file.close()
            raise UserError(
                f"{name}={str(directory)!r} cannot be locked: {error.strerror}. Expected a file "
                f"system that has locks; name a directory on another with --{name}."
            ) from error

    def __enter__(self) -> "Lock":
        """Keeps it until the block ends."""
        return self

    def __exit__(self, *error) -> None:
        """Releases it."""
        self.release()

    def release(self) -> None:
        """Releases the lock."""
        self._file.close()
