"""Published weights on this machine: which there are, whether they fit, and fetching them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import DownloadError, FileError, MissingDependencyError
from ..models.download import OnBytes, Remote, download, file_sha256, inspected
from ..models.flux_base.published import BASE_PARTS
from ..models.layout import Findings, not_finite
from ..models.places import folders_for, found, missing
from ..models.registry import ALL_WEIGHTS, weights_called
from ..models.state_dict import read_state_dict
from ..models.weights import WEIGHT_SUFFIXES, Weights


@dataclass(frozen=True)
class ModelState:
    """Weights that Focus Puller can use.

    Args:
        weights: what they are.
        path: where they are; None if they are nowhere.
        folder: where they belong; None if they come with the package.
    """

    weights: Weights
    path: Path | None
    folder: Path | None


@dataclass(frozen=True)
class Verdict:
    """Whether a file, or a folder of files, is what it should be.

    Args:
        path: what was looked at.
        weights: what it should be.
        findings: what does not fit.
    """

    path: Path
    weights: Weights
    findings: Findings

    @property
    def fits(self) -> bool:
        """Whether it can be used."""
        return not self.findings

    @property
    def is_compared(self) -> bool:
        """Whether tensors were compared with the network's, which a file of another kind ends."""
        return self.fits or self.findings.count > len(self.findings.other)


@dataclass(frozen=True)
class Download:
    """One file that would be fetched.

    Args:
        file: its published name.
        remote: what its address says.
        target: where it goes.
        sha256: its digest as we know it; None if we have seen no copy.
    """

    file: str
    remote: Remote
    target: Path
    sha256: str | None


def list_models() -> list[ModelState]:
    """All weights that Focus Puller can use, and where they are on this machine.

    Example:
        >>> [state.weights.name for state in list_models() if state.path]
        ['edge']
    """
    return [
        ModelState(weights, found(weights), next(iter(folders_for(weights)), None))
        for weights in ALL_WEIGHTS
    ]


def verify_model(model: str | os.PathLike[str]) -> list[Verdict]:
    """Whether weights are complete, undamaged and for the network they are said to be for.

    Args:
        model: a name or group of `list_models` ("metric3d"), of which those that are found are
            verified; or the path of a file.

    Raises:
        InputError: there are no weights of this name, and no such file.
        FileError: none of them is found.
    """
    path = Path(model)
    if path.exists():
        return [_verdict_of_file(path)]
    weights = weights_called(str(model))
    places = [(one, place) for one in weights if (place := found(one))]
    if not places:
        raise missing(weights[0])
    return [verdict_on(one, place) for one, place in places]


def verdict_on(weights: Weights, path: Path) -> Verdict:
    """Whether a file or folder is what it should be."""
    try:
        findings = weights.findings(path)
        if findings is None:
            findings = _readable(weights, path)
    except FileError as error:
        findings = Findings(other=(error.received,))
    return Verdict(path, weights, findings + _digests(weights, path))


def planned(weights: Weights, to: Path | None = None) -> list[Download]:
    """What would be fetched for weights, as their addresses describe it. Asks the network.

    Args:
        weights: what to fetch.
        to: the folder; by default the first of their folders of models.

    Raises:
        DownloadError: they cannot be fetched, or an address does not answer.
    """
    if weights.packaged:
        return []
    folder = to or folders_for(weights)[0]
    token = os.environ.get("HF_TOKEN") if weights.hub else None
    downloads = []
    for file in weights.files:
        url = weights.url(file)
        if url is None:
            advice = f"Get {weights.title} from {weights.source} and put it into {folder}."
            raise DownloadError(weights.name, "weights without an address for programs", advice)
        target = folder / (
            PurePosixPath(weights.subfolder, file)
            if weights.subfolder
            else PurePosixPath(file).name
        )
        if not target.is_file():
            known = weights.sha256.get(file)
            downloads.append(Download(file, inspected(url, token), target, known))
    _check_announced(downloads)
    return downloads


def fetched(downloads: Iterable[Download], on_bytes: OnBytes | None = None) -> list[Path]:
    """Fetch what was planned; the files."""
    paths = []
    for one in downloads:
        download(one.remote, one.target, one.sha256, on_bytes)
        paths.append(one.target)
    return paths


def fetch_model(name: str, to: str | os.PathLike[str] | None = None) -> list[Path]:
    """Download weights from where they were published, into the folder where they are looked for.

    To call it is to accept their licence, which `list_models` tells.

    Args:
        name: of `list_models`, or a group of them.
        to: another folder.

    Returns:
        The new files; none if all are there already.

    Raises:
        InputError: there are no weights of this name.
        DownloadError: they have no address, the transfer broke (call again to go on), or what came
            is not what was announced.
        FileError: the folder cannot be written.
    """
    folder = None if to is None else Path(to)
    plans = [planned(weights, folder) for weights in weights_called(name)]
    return [path for plan in plans for path in fetched(plan)]


def _check_announced(downloads: Iterable[Download]) -> None:
    for one in downloads:
        stated = one.remote.sha256
        if one.sha256 and stated and one.sha256 != stated:
            received = f"the announcement of a file with sha256 {stated}, not {one.sha256}"
            raise DownloadError(one.remote.url, received, "It is not the file that we know.")


def _verdict_of_file(path: Path) -> Verdict:
    """The verdict on a file or folder by its name, else on what it comes closest to."""
    named = [one for one in ALL_WEIGHTS if _is_named(one, path)]
    if named:
        verdicts = [verdict_on(one, path) for one in named]
    else:
        others = (one for one in ALL_WEIGHTS if one.check and _may_be(one, path))
        guesses = [verdict for one in others if (verdict := _guess(one, path))]
        # A file that nothing can read is told why; a folder is what something can read, or unknown.
        verdicts = [one for one in guesses if one.is_compared or path.is_file()]
    if not verdicts:
        raise FileError(str(path), "a file or folder of unknown name", "Give a name of the list.")
    return min(verdicts, key=_distance)


def _distance(verdict: Verdict) -> tuple[bool, int, bool]:
    """How far a file is from what it should be; a whole model that fits is not called by a part."""
    return not verdict.is_compared, verdict.findings.count, verdict.weights in BASE_PARTS


def _guess(weights: Weights, path: Path) -> Verdict | None:
    """The verdict on a file that may be anything; None where the check needs a missing library."""
    try:
        return verdict_on(weights, path)
    except MissingDependencyError:
        return None


def _is_named(weights: Weights, path: Path) -> bool:
    titles = [weights.subfolder] if weights.subfolder else weights.files
    return path.name in (*titles, *weights.other_names)


def _may_be(weights: Weights, path: Path) -> bool:
    """Whether it is worth a look: of a folder, some of its files have to be there."""
    if not weights.subfolder:
        return True
    return path.name == weights.file or any((path / file).is_file() for file in weights.files)


def _readable(weights: Weights, path: Path) -> Findings:
    """For weights without a layout check: whether their tensors can be read and are finite."""
    files = [path / file for file in weights.files] if weights.subfolder else [path]
    gone = tuple(file.name for file in files if not file.is_file())
    result = Findings(missing=gone)
    for file in files:
        if file.is_file() and file.suffix.lower() in WEIGHT_SUFFIXES:
            result += not_finite(read_state_dict(file))
    return result


def _digests(weights: Weights, path: Path) -> Findings:
    """Whether files that bear a published name are the published ones."""
    wrong = []
    for file, wanted in weights.sha256.items():
        place = path / file if weights.subfolder else path
        if place.is_file() and place.name == PurePosixPath(file).name:
            digest = file_sha256(place)
            if digest != wanted:
                wrong.append(f"{place.name} has sha256 {digest} instead of {wanted}")
    return Findings(other=tuple(wrong))
