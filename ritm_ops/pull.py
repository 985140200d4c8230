"""Fetches a released checkpoint and turns it into our format."""

from __future__ import annotations

from ritm_model.catalogue import Release, catalogue, models_folder, pulled_model_path
from ritm_model.checkpoints.architecture import build_network
from ritm_model.checkpoints.card import ModelCard, TrainingCard
from ritm_model.checkpoints.native import save_model
from ritm_model.checkpoints.reading import read_contents
from ritm_model.errors import CheckpointError
from ritm_model.networks import InteractiveModel
from ritm_ops.download import Progress, RemoteFile, WrongSizeError, discard_part, download

# Published sizes are rounded, and do not say whether a megabyte has 10^6 or 2^20 bytes.
SIZE_SLACK = 0.05

# The authors published no hashes, so what a mirror hands out is taken on trust, and the card says so.
RELEASED = "Released by the authors of the paper; the figures are those they published."
MIRRORED = (
    "Fetched from a mirror under the name of a release of the authors, whose published figures these are."
)


def release_source(release: Release, base_url: str | None = None) -> RemoteFile:
    """Where a release is fetched from: its own address, or the same file name below `base_url`."""
    return RemoteFile(
        url=f"{base_url.rstrip('/')}/{release.file_name}" if base_url else release.url,
        min_bytes=int(release.megabytes * 10**6 * (1 - SIZE_SLACK)),
        max_bytes=int(release.megabytes * 2**20 * (1 + SIZE_SLACK)),
    )


def pull_model(
    release: Release,
    *,
    base_url: str | None = None,
    attempts: int = 5,
    pause_seconds: float = 1.0,
    on_progress: Progress | None = None,
) -> ModelCard:
    """Download a release into the models folder, check it, and convert it.

    Args:
        release: an entry of the catalogue.
        base_url: a mirror that has the file under its published name; None for the original.
        attempts: how many connections to try.
        pause_seconds: before the second one, doubled before each further one.
        on_progress: called with the bytes so far and in all (None if the server does not say).

    Returns:
        The card of the converted model, with the hashes of the source and of the result.

    Raises:
        DownloadError: it could not be fetched; a part of it is kept if that can be of use.
        CheckpointError: what came is not the checkpoint of the catalogue; it is removed.
    """
    folder = models_folder()
    source = release_source(release, base_url)
    target = folder / release.file_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = download(
            source, target, attempts=attempts, pause_seconds=pause_seconds, on_progress=on_progress
        )
        contents = read_contents(part)
        model = build_network(contents.architecture, contents.state, source.public_url)
        _check_architecture(release, model)
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be written: {error.strerror}.") from None
    except WrongSizeError:
        discard_part(target)
        raise
    except CheckpointError as error:
        discard_part(target)
        raise CheckpointError(f"What was downloaded for {release.name} is removed again: {error}") from None
    card = save_model(
        pulled_model_path(release.name),
        model,
        TrainingCard(
            summary=MIRRORED if base_url else RELEASED,
            trained_on=release.trained_on,
            licence=f"{release.licence}. {release.licence_note}",
            metrics={f"NoC {name}": value for name, value in release.noc.items()},
            source=source.public_url,
            source_sha256=contents.sha256,
        ),
    )
    discard_part(target)
    return card


def _check_architecture(release: Release, model: InteractiveModel) -> None:
    expected = catalogue().architectures[release.architecture]
    different = [name for name, value in expected.params.items() if model.params.get(name) != value]
    if model.family != expected.family or different:
        raise CheckpointError(
            f"it is another network than {release.architecture} (see {', '.join(different) or 'its family'})."
        )
