"""Why a launch ended early."""

from pathlib import Path


class LaunchError(Exception):
    """The system cannot be started as asked; the message says why."""


class ProcessFailed(LaunchError):
    """A process ended, or was not ready in time."""

    def __init__(self, message: str, log_path: Path) -> None:
        """Name the log that tells more."""
        super().__init__(message)
        self.log_path = log_path


class StopRequested(Exception):
    """Somebody asked the launcher to stop while it was starting."""
