"""A candidate on trial among annotators, beside the live version: in the shadow of it, or for some of them.

shadow   nobody sees the candidate; its masks are compared with those that annotators accepted
canary   the candidate answers a share of the objects, and the clicks until they are accepted are compared

One record says which candidate of a model is on trial and what was counted so far. Every serving process adds
what it has counted, by conditional writes, and whichever finds a trial decided settles it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Literal, TypeAlias

from pydantic import Field

from ritm_model.values import Value
from ritm_ops.object_store import ConflictError, ObjectMissingError, ObjectStore
from ritm_ops.registry.decisions import now, whoever_runs_this
from ritm_ops.registry.keys import checked_name, counts_key, trial_key
from ritm_ops.registry.records import RecordT, RefusedError, RegistryError, json_bytes, parsed
from ritm_ops.registry.tallies import Agreement, Counts, Tally, difference
from ritm_ops.registry.versions import Registry

Kind: TypeAlias = Literal["shadow", "canary"]

LEAST_OBJECTS = 30
"""Of either version, before a canary may be closed."""
EARLY_DEVIATIONS = 3.0
"""In standard errors: it is tested many times before the end, so that each test has to be surer (99.7 %)."""

_ATTEMPTS = 8
_KEPT_DAYS = 366


class Trial(Value):
    """A candidate's trial.

    Attributes:
        kind: who sees the candidate.
        version: the candidate.
        against: the version that was live when it began; the trial is over when another one is.
        share: of the objects that the candidate is tried on.
        objects: accepted objects of the candidate after which it ends.
        candidate, live: what was accepted of either (canary).
        agreement: of the candidate with what was accepted (shadow).
        ended_at, outcome: when and how it ended, a sentence; None and empty before that.
    """

    format_version: Literal[1] = 1
    kind: Kind
    version: str
    against: str | None
    share: float = Field(gt=0, le=1)
    objects: int = Field(ge=1)
    began_at: datetime
    by: str
    candidate: Tally = Tally()
    live: Tally = Tally()
    agreement: Agreement = Agreement()
    ended_at: datetime | None = None
    outcome: str = ""

    @property
    def is_running(self) -> bool:
        return self.ended_at is None

    def takes(self, object_id: str) -> bool:
        """Whether the candidate is tried on this object; the same answer at every click, in every process."""
        digest = sha256(f"{self.version} {object_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.share * 2**64

    @property
    def sentence(self) -> str:
        """What was found so far, for people."""
        if self.kind == "shadow":
            found = self.agreement
            return f"shadow: IoU {found.mean:.3f} with {found.objects} of {self.objects} accepted objects"
        said = (
            f"canary: {self.candidate.mean:.2f} clicks on {self.candidate.objects} of {self.objects} objects"
        )
        said += f", live {self.live.mean:.2f} on {self.live.objects}"
        if min(self.candidate.objects, self.live.objects) < 2:
            return said
        found_now = difference(self.candidate, self.live)
        return f"{said} (difference {found_now.clicks:+.2f}, {found_now.low:+.2f} to {found_now.high:+.2f})"


class Counted(Value):
    """What a process has counted of a trial since it told last."""

    candidate: Tally = Tally()
    live: Tally = Tally()
    agreement: Agreement = Agreement()

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            candidate=self.candidate + other.candidate,
            live=self.live + other.live,
            agreement=self.agreement + other.agreement,
        )


Verdict: TypeAlias = Literal["publish", "close", "go on", "enough"]


def verdict(trial: Trial) -> Verdict:
    """What is to be done. `enough` ends a shadow, which leaves the decision to people."""
    if trial.kind == "shadow":
        return "enough" if trial.agreement.objects >= trial.objects else "go on"
    candidate, live = trial.candidate, trial.live
    if min(candidate.objects, live.objects) < LEAST_OBJECTS:
        return "go on"
    is_last = candidate.objects >= trial.objects
    if difference(candidate, live, 1.96 if is_last else EARLY_DEVIATIONS).low > 0:
        return "close"
    return "publish" if is_last else "go on"


class Trials:
    """The trials and counts of the models of `registry`. Thread-safe; all may raise StoreError, too."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.registry = Registry(store)

    def last(self, name: str) -> Trial | None:
        """The trial that runs, or the one that ended last; None if there never was any."""
        return self._read(trial_key(checked_name(name)), Trial)[0]

    def begin(
        self, name: str, version: str, kind: Kind, *, share: float, objects: int, by: str = ""
    ) -> Trial:
        """Put a candidate on trial beside what is live now; one that is on trial in this way stays so.

        Raises:
            RefusedError: it was rolled back or rejected.
            RegistryError: no such version, it is live, or it or another one is on trial in another way.
        """
        self.registry.check_store()
        live = self.registry.live(name)
        against = live.version if live else None
        if against == version:
            raise RegistryError(f"{version} is live already.")
        if (refusal := self.registry.refusal(name, self.registry.weights_of(name, version))) is not None:
            raise RefusedError(f"Not on trial: {refusal}")
        there, etag = self._read(trial_key(name), Trial)
        if there is not None and there.is_running and there.against == against:
            if (there.version, there.kind, there.share, there.objects) == (version, kind, share, objects):
                return there
            raise RegistryError(
                f"{there.version} is on trial already ({there.sentence}); wait for its end, approve or "
                f"reject it, or end its trial with `ritm models end-trial {name}`."
            )
        trial = Trial(
            kind=kind,
            version=version,
            against=against,
            share=share,
            objects=objects,
            began_at=now(),
            by=by or whoever_runs_this(),
        )
        self._write(trial_key(name), trial, etag)
        return trial

    def end(self, name: str, *, by: str = "", why: str = "") -> Trial:
        """End the trial that runs. What it has found stays, and its version is a candidate as before.

        Raises:
            ConflictError: servers count so fast that the record changes each time it is read.
            RegistryError: none runs.
        """
        self.registry.check_store()
        for _ in range(_ATTEMPTS):
            trial, etag = self._read(trial_key(checked_name(name)), Trial)
            if trial is None or not trial.is_running:
                ended = f"; that of {trial.version} has ended ({trial.outcome})" if trial else ""
                raise RegistryError(f"No version of {name} is on trial{ended}.")
            outcome = f"ended by {by or whoever_runs_this()}{f' ({why})' if why else ''}"
            stopped = trial.model_copy(update={"ended_at": now(), "outcome": outcome})
            with suppress(ConflictError):  # a server has counted meanwhile
                self._write(trial_key(name), stopped, etag)
                return stopped
        raise ConflictError(f"Too many count {name} at once; try again.")

    def running(self, name: str) -> Trial | None:
        """The trial that servers take part in: none if another version is live or people have decided."""
        trial = self.last(name)
        if trial is None or not trial.is_running:
            return None
        live = self.registry.live(name)
        if (live.version if live else None) != trial.against:
            return None
        is_refused = self.registry.refusal(name, self.registry.weights_of(name, trial.version))
        return None if is_refused else trial

    def add(self, name: str, version: str, counted: Counted) -> Trial | None:
        """Add what was counted of this version's trial. Returns the trial, or None if it runs no more."""
        for _ in range(_ATTEMPTS):
            trial, etag = self._read(trial_key(name), Trial)
            if trial is None or not trial.is_running or trial.version != version:
                return None
            whole = Counted(candidate=trial.candidate, live=trial.live, agreement=trial.agreement) + counted
            update = {"candidate": whole.candidate, "live": whole.live, "agreement": whole.agreement}
            changed = trial.model_copy(update=update)
            try:
                self._write(trial_key(name), changed, etag)
            except ConflictError:
                continue
            return changed
        raise ConflictError(f"Too many count {version} at once.")

    def settle(self, name: str, trial: Trial) -> str | None:
        """Do what the counts say. Returns how the trial ended, if it did.

        Raises:
            ConflictError: somebody changed something at the same time; the next check will see it.
        """
        judged = verdict(trial)
        if judged == "go on":
            return None
        if judged == "close":
            self.registry.reject(name, trial.version, by="canary", why=trial.sentence)
            outcome = "closed: it takes more clicks"
        elif judged == "publish":
            try:
                self.registry.promote(
                    name, trial.version, trial.against, by="canary", why=trial.sentence, is_asked=False
                )
            except RefusedError as error:
                outcome = f"not published: {error}"
            else:
                outcome = "published"
        else:
            outcome = "measured; people decide"
        there, etag = self._read(trial_key(name), Trial)
        if there is not None and there.version == trial.version and there.is_running:
            ended = there.model_copy(update={"ended_at": now(), "outcome": outcome})
            self._write(trial_key(name), ended, etag)
        return outcome

    def counts(self, name: str) -> Counts:
        """What was accepted of each version, by day."""
        return self._read(counts_key(checked_name(name)), Counts)[0] or Counts()

    def count(self, name: str, counts: Counts) -> None:
        """Add accepted objects; those of the last year are kept."""
        for _ in range(_ATTEMPTS):
            there, etag = self._read(counts_key(checked_name(name)), Counts)
            try:
                self._write(counts_key(name), ((there or Counts()) + counts).newest(_KEPT_DAYS), etag)
            except ConflictError:
                continue
            return
        raise ConflictError(f"Too many count objects of {name} at once.")

    def _read(self, key: str, kind: type[RecordT]) -> tuple[RecordT | None, str | None]:
        try:
            data, etag = self.store.read_tagged(key)
        except ObjectMissingError:
            return None, None
        return parsed(data, kind, key, self.store.uri), etag

    def _write(self, key: str, record: Value, etag: str | None) -> None:
        self.store.write_if(key, json_bytes(record.model_dump(mode="json")), etag)
