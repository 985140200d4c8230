"""The versions of a model, and which of them is live; `keys.py` says where they lie.

A version without its manifest does not exist. A version never changes: its name is that of the model and
the first digits of the hash of its weights, which is also what servers report as their `model_version`. The
one thing that changes is `live.json`, by conditional writes, so of two who change it at once one is told.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ritm_model.errors import shown
from ritm_model.files import reading
from ritm_ops.object_store import ConflictError, ObjectMissingError, ObjectStore
from ritm_ops.registry.cache import keep_few
from ritm_ops.registry.decisions import Decisions, decision_of, now, told, whoever_runs_this
from ritm_ops.registry.keys import (
    CARD,
    MANIFEST,
    REPORT,
    WEIGHTS,
    checked_name,
    folder_of,
    live_key,
    version_of,
)
from ritm_ops.registry.records import (
    Change,
    Decision,
    FileEntry,
    LiveModel,
    Manifest,
    RecordT,
    RefusedError,
    RegistryError,
    entry_of_bytes,
    entry_of_file,
    json_bytes,
    json_object,
    number_of,
    parsed,
)

_KEPT_CHANGES = 1000


class Registry:
    """Versions of models in an object store. Thread-safe.

    Every method may raise StoreError, too, and those that change something UnconditionalError.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._decisions = Decisions(store)
        self._is_checked = False

    @property
    def uri(self) -> str:
        """Where it lies."""
        return self._store.uri

    def check_store(self) -> None:
        """Find out, once, whether the store can hold a registry; whatever changes something asks by itself.

        Raises:
            UnconditionalError: two who write at once would both be told that they have won.
        """
        if not self._is_checked:
            self._store.check_conditions()
            self._is_checked = True

    def publish(self, name: str, checkpoint: Path, report: Mapping[str, object]) -> str:
        """Add a version; it does not become live by that. What is published already stays as it is.

        Args:
            name: of the model; letters, digits, dots, dashes and underscores.
            checkpoint: safetensors with the card beside it; the card takes the model's name.
            report: what was measured, for people and for the history, which takes `noc_before` and
                `noc_after` out of it; plain JSON.

        Returns:
            The version.

        Raises:
            RegistryError: the checkpoint does not fit its card, or the store gives back other bytes.
        """
        self.check_store()
        card = _card(checkpoint, checked_name(name))
        weights = entry_of_file(checkpoint)
        if card["sha256"] != weights.sha256:
            raise RegistryError(f"{checkpoint} is damaged: its SHA-256 is not the one in its card.")
        version = version_of(name, weights.sha256)
        if self._published(name, version, weights):
            return version
        folder = folder_of(name, version)
        self._store.write(f"{folder}/{WEIGHTS}", checkpoint)
        files = {
            WEIGHTS: weights,
            # Of an earlier attempt that did not come to its end, these are as good.
            CARD: self._keep_first(f"{folder}/{CARD}", card),
            REPORT: self._keep_first(f"{folder}/{REPORT}", report),
        }
        self._verify(folder, files)
        manifest = Manifest(name=name, version=version, published_at=now(), files=files)
        try:
            self._store.write_if(f"{folder}/{MANIFEST}", json_bytes(manifest.model_dump(mode="json")), None)
        except ConflictError:
            if not self._published(name, version, weights):
                raise
        return version

    def promote(
        self,
        name: str,
        version: str,
        expected: str | None,
        *,
        by: str = "",
        why: str = "",
        is_asked: bool = True,
    ) -> LiveModel:
        """Make a published version live; nothing happens if it is so already.

        Args:
            name: of the model.
            version: a published one.
            expected: the version that is live as far as the caller knows; None if there is none.
            by: who; left empty, the user and machine of this process.
            why: a sentence for people.
            is_asked: a person wants this; a program may not overrule what people decided.

        Raises:
            ConflictError: another version is live than expected, or somebody was faster.
            RefusedError: it was rolled back or rejected, and no person asks for it.
            RegistryError: no such version.
        """
        self.check_store()
        live, etag = self._live(checked_name(name))
        if live is not None and live.version == version:
            return live
        if (live.version if live else None) != expected:
            is_live = live.version if live else "no version"
            raise ConflictError(f"Of {name}, {is_live} is live and not {expected or 'none'}, as expected.")
        sha256 = self._weights(self.manifest(name, version))
        if not is_asked and (refusal := self._refusal(name, sha256, live)):
            raise RefusedError(refusal)
        report = self.report(name, version)
        change = Change(
            kind="promote",
            version=version,
            previous=expected,
            at=now(),
            by=by or whoever_runs_this(),
            why=why,
            noc_before=number_of(report, "noc_before"),
            noc_after=number_of(report, "noc_after"),
        )
        if is_asked:
            return self._change(name, live, etag, change)
        claim = decision_of("approved", version, by, why)
        standing, tag = self._decisions.make(name, sha256, claim)
        if standing.kind == "rejected":
            raise RefusedError(told(f"{version} was rejected", standing))
        try:
            return self._change(name, live, etag, change)
        except ConflictError:
            if standing is claim:
                self._decisions.replace(name, sha256, claim.model_copy(update={"kind": "open"}), tag)
            raise

    def rollback(self, name: str, *, by: str = "", why: str = "") -> LiveModel:
        """Make live again what was live before the live version was promoted.

        Raises:
            ConflictError: somebody changed the live version at the same time.
            RegistryError: nothing is live, or nothing was before.
        """
        self.check_store()
        live, etag = self._live(checked_name(name))
        if live is None:
            raise RegistryError(f"No version of {name} is live in {self._store.uri}.")
        earlier = _earlier(live.history)
        if earlier is None:
            raise RegistryError(f"Nothing was live before {live.version}, so there is nothing to go back to.")
        self.manifest(name, earlier)
        change = Change(
            kind="rollback",
            version=earlier,
            previous=live.version,
            at=now(),
            by=by or whoever_runs_this(),
            why=why,
        )
        return self._change(name, live, etag, change)

    def reject(self, name: str, version: str, *, by: str = "", why: str = "") -> None:
        """Decide that a version must not become live by itself. The first rejection of its weights stays.

        Raises:
            ConflictError: somebody else decided at the same time.
            RegistryError: no such version, or it is live, or is about to be since somebody has approved it.
        """
        self.check_store()
        live, sha256 = self.live(name), self._weights(self.manifest(name, version))
        if live is not None and live.version == version:
            raise RegistryError(f"{version} is live; `ritm models rollback {name}` goes back.")
        rejection = decision_of("rejected", version, by, why)
        standing, tag = self._decisions.make(name, sha256, rejection)
        if standing.kind == "approved":
            if live is None or all(change.version != version for change in live.history):
                raise RegistryError(
                    f"{told(f'{version} was approved', standing)} Once it is live, "
                    f"`ritm models rollback {name}` goes back."
                )
            self._decisions.replace(name, sha256, rejection, tag)

    def candidates(self, name: str) -> tuple[Manifest, ...]:
        """Published versions that nobody has decided on: never live, never rejected. The newest last."""
        were_live = {change.version for change in self.history(name)}
        return tuple(
            manifest
            for manifest in self.versions(name)
            if manifest.version not in were_live and not self._rejection(name, self._weights(manifest))
        )

    def approve(self, name: str, version: str, *, by: str = "", why: str = "") -> LiveModel:
        """Make a candidate live.

        Raises:
            ConflictError: somebody changed the live version at the same time.
            RefusedError: it was rejected.
            RegistryError: no such version, or it has been live already.
        """
        live = self.live(name)
        if live is not None and any(change.version == version for change in live.history):
            raise RegistryError(f"{version} has been live already; `ritm models promote` makes it so again.")
        return self.promote(name, version, live.version if live else None, by=by, why=why, is_asked=False)

    def refusal(self, name: str, sha256: str) -> str | None:
        """Why the version with these weights does not become live by itself: a sentence, or None if it may.

        It was rolled back and not promoted by hand since, or rejected.
        """
        return self._refusal(checked_name(name), sha256, self.live(name))

    def live(self, name: str) -> LiveModel | None:
        """The live version; None if there is none. Raises RegistryError if the pointer is damaged."""
        return self._live(checked_name(name))[0]

    def history(self, name: str) -> tuple[Change, ...]:
        """Every change of the live version, the newest last; of very many, the last thousand."""
        live = self.live(name)
        return live.history if live else ()

    def versions(self, name: str) -> tuple[Manifest, ...]:
        """Every published version, the newest last."""
        keys = [info.key for info in self._store.list(f"models/{checked_name(name)}/")]
        found = [self._read(key, Manifest) for key in keys if key.endswith(f"/{MANIFEST}")]
        return tuple(sorted(found, key=lambda manifest: manifest.published_at))

    def manifest(self, name: str, version: str) -> Manifest:
        """A published version. Raises RegistryError if there is none."""
        try:
            return self._read(f"{folder_of(name, version)}/{MANIFEST}", Manifest)
        except ObjectMissingError:
            raise RegistryError(
                f"There is no version {shown(version)} of {shown(name)} in {self._store.uri}."
            ) from None

    def report(self, name: str, version: str) -> Mapping[str, object]:
        """What was measured of a published version. Raises RegistryError if there is none."""
        entry = self.manifest(name, version).files.get(REPORT)
        key = f"{folder_of(name, version)}/{REPORT}"
        data = self._store.read(key)
        if entry is None or entry != entry_of_bytes(data):
            raise self._damaged(key)
        return json_object(data, key)

    def report_uri(self, name: str, version: str) -> str:
        """Where that report lies."""
        return f"{self._store.uri.rstrip('/')}/{folder_of(name, version)}/{REPORT}"

    def fetch(self, name: str, version: str, cache_dir: Path) -> Path:
        """A version's weights on this machine, with the card beside them; fetched where need be.

        Every file is compared with the manifest, those that were here already, too. The versions used
        longest ago are removed from the cache.

        Raises:
            RegistryError: no such version, or it is damaged.
        """
        manifest = self.manifest(name, version)
        folder = cache_dir / name / version
        for file in (WEIGHTS, CARD):
            key, path, entry = f"{folder_of(name, version)}/{file}", folder / file, manifest.files.get(file)
            if entry is None:
                raise self._damaged(key)
            if not path.is_file() or entry_of_file(path) != entry:
                self._store.download(key, path)
                if entry_of_file(path) != entry:
                    path.unlink()
                    raise self._damaged(key)
        keep_few(folder)
        return folder / WEIGHTS

    def _published(self, name: str, version: str, weights: FileEntry) -> bool:
        try:
            there = self._read(f"{folder_of(name, version)}/{MANIFEST}", Manifest)
        except ObjectMissingError:
            return False
        if there.files.get(WEIGHTS) != weights:
            raise RegistryError(f"{version} is already the version of other weights in {self._store.uri}.")
        return True

    def _keep_first(self, key: str, value: Mapping[str, object]) -> FileEntry:
        with suppress(ConflictError):
            self._store.write_if(key, json_bytes(value), None)
        return entry_of_bytes(self._store.read(key))

    def _verify(self, folder: str, files: Mapping[str, FileEntry]) -> None:
        """Compare what the store gives back, since a manifest promises it."""
        with tempfile.TemporaryDirectory() as scratch:
            for file, entry in files.items():
                copy = Path(scratch, file)
                self._store.download(f"{folder}/{file}", copy)
                if entry_of_file(copy) != entry:
                    raise self._damaged(f"{folder}/{file}")

    def weights_of(self, name: str, version: str) -> str:
        """The SHA-256 of a version's weights. Raises RegistryError if there is no such version."""
        return self._weights(self.manifest(name, version))

    def _weights(self, manifest: Manifest) -> str:
        """The SHA-256 of a version's weights."""
        entry = manifest.files.get(WEIGHTS)
        if entry is None:
            raise self._damaged(f"{folder_of(manifest.name, manifest.version)}/{MANIFEST}")
        return entry.sha256

    def _refusal(self, name: str, sha256: str, live: LiveModel | None) -> str | None:
        version = version_of(name, sha256)
        for change in reversed(live.history if live else ()):
            if change.kind == "rollback" and change.previous == version:
                return told(f"{version} was rolled back", change)
            if change.version == version:
                break
        rejection = self._rejection(name, sha256)
        return told(f"{version} was rejected", rejection) if rejection else None

    def _rejection(self, name: str, sha256: str) -> Decision | None:
        standing = self._decisions.standing(name, sha256)
        return standing if standing is not None and standing.kind == "rejected" else None

    def _live(self, name: str) -> tuple[LiveModel | None, str | None]:
        key = live_key(name)
        try:
            data, etag = self._store.read_tagged(key)
        except ObjectMissingError:
            return None, None
        return parsed(data, LiveModel, key, self._store.uri), etag

    def _change(self, name: str, live: LiveModel | None, etag: str | None, change: Change) -> LiveModel:
        history = (*(live.history if live else ()), change)[-_KEPT_CHANGES:]
        changed = LiveModel(name=name, version=change.version, history=history)
        self._store.write_if(live_key(name), json_bytes(changed.model_dump(mode="json")), etag)
        return changed

    def _read(self, key: str, kind: type[RecordT]) -> RecordT:
        return parsed(self._store.read(key), kind, key, self._store.uri)

    def _damaged(self, key: str) -> RegistryError:
        return RegistryError(f"{key} in {self._store.uri} is damaged, or not of this registry.")


def _earlier(history: tuple[Change, ...]) -> str | None:
    """What was live before: a promotion goes one step up, a rollback one down."""
    steps: list[str | None] = [history[0].previous] if history else []
    for change in history:
        if change.kind == "promote":
            steps.append(change.version)
        else:
            steps.pop()
    return steps[-2] if len(steps) > 1 else None


def _card(checkpoint: Path, name: str) -> dict[str, object]:
    path = checkpoint.with_suffix(".json")
    with reading(path, RegistryError):
        card = json_object(path.read_bytes(), str(path))
    if "sha256" not in card:
        raise RegistryError(f"{path} is not a model card.")
    return {**card, "name": name}
