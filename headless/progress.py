"""How far a workflow is, as an event and as a bar on stderr."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from tqdm import tqdm


@dataclass(frozen=True)
class Progress:
    """A node has started or got further.

    Args:
        node_id: the node at work.
        title: its title.
        nodes_done: how many nodes are finished.
        nodes_total: how many there are to run.
        steps_done: how far the node is.
        steps_total: 0 where it does not say.
    """

    node_id: str
    title: str
    nodes_done: int
    nodes_total: int
    steps_done: float = 0
    steps_total: float = 0

    @property
    def fraction(self) -> float:
        """Of the whole workflow, 0..1; every node counts the same."""
        within = self.steps_done / self.steps_total if self.steps_total else 0.0
        return min(1.0, (self.nodes_done + within) / max(1, self.nodes_total))


ProgressCallback = Callable[[Progress], None]


class ProgressBar:
    """A `ProgressCallback` that draws a bar on stderr, if that is a terminal.

    Example:
        >>> with ProgressBar() as bar:
        ...     bar(Progress("4", "Render", nodes_done=1, nodes_total=2))
    """

    def __init__(self) -> None:
        self._bar = tqdm(
            total=100.0, leave=False, disable=None, bar_format="{percentage:3.0f}%|{bar}| {desc}"
        )

    def __call__(self, progress: Progress) -> None:
        """Show `progress`."""
        if self._bar.disable:
            return
        self._bar.n = 100.0 * progress.fraction
        steps = f" {progress.steps_done:g}/{progress.steps_total:g}" if progress.steps_total else ""
        self._bar.set_description_str(progress.title + steps, refresh=False)
        self._bar.refresh()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
