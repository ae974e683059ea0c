"""What Focus Puller raises when it cannot do what was asked.

Every error says which input is meant, what was received and what to do about it. Node adapters
add the name of the node and where to read more; the command line prints the text alone.
"""

from __future__ import annotations


class FocusPullerError(Exception):
    """Base of all errors that a user can do something about.

    Args:
        subject: the input, file or option that is wrong, as the user knows it ("f_number").
        received: what was there instead of something usable.
        advice: one sentence that says what to do.
    """

    def __init__(self, subject: str, received: str, advice: str) -> None:
        super().__init__(subject, received, advice)
        self.subject = subject
        self.received = received
        self.advice = advice
        self.node: str | None = None
        self.more: str | None = None

    def __str__(self) -> str:
        place = f"{self.node} › " if self.node else ""
        more = f"\n{self.more}" if self.more else ""
        return f"{place}{self.subject}: received {self.received}. {self.advice}{more}"


class InputError(FocusPullerError):
    """A value that has no meaning here: wrong shape, range, unit or kind."""


class FileError(FocusPullerError):
    """A file that is missing, unreadable or not what its name says."""


class MissingDependencyError(FocusPullerError):
    """An optional library that this feature needs is not installed."""


class WorkflowError(FocusPullerError):
    """A workflow file that cannot run: unknown node, missing link, bad setting."""


class DeviceMemoryError(FocusPullerError):
    """A picture that does not fit into the device's memory, however it is cut."""


class DownloadError(FocusPullerError):
    """A file that could not be had from its address, or was not the one that was announced."""
