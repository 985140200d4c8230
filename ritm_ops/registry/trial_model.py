"""The candidate that is on trial, loaded beside the live version for as long as its trial lasts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ritm_model.inference.sessions.annotator import Annotator
from ritm_ops.object_store import StoreError
from ritm_ops.registry import Registry
from ritm_ops.registry.live_model import OLDER_MEMORY_SHARE, OnTrial, Versions
from ritm_ops.registry.trials import Trials


class CandidateSource:
    """Puts the candidate of a model's trial into what a process answers with, and takes it out again.

    Args:
        registry: where the versions lie.
        trials: of the same registry.
        name: of the model.
        load: from the name or path of a model to its annotator, warmed up.
        cache_dir: where versions are kept on this machine.
    """

    def __init__(
        self,
        registry: Registry,
        trials: Trials,
        name: str,
        load: Callable[[str], Annotator],
        *,
        cache_dir: Path,
    ) -> None:
        self._registry = registry
        self._trials = trials
        self._name = name
        self._load = load
        self._cache_dir = cache_dir
        self._failed: str | None = None

    def refresh(self, versions: Versions) -> None:
        """Bring `versions` up to date. A candidate that cannot be loaded is not retried.

        Raises:
            StoreError: the registry is out of reach.
            RitmError: the candidate cannot be loaded.
        """
        trial, there = self._trials.running(self._name), versions.on_trial
        if trial is None or trial.version == self._failed:
            versions.put_on_trial(None)
        elif there is None or (there.trial.version, there.trial.began_at) != (trial.version, trial.began_at):
            self._failed = trial.version
            try:
                path = self._registry.fetch(self._name, trial.version, self._cache_dir)
            except StoreError:
                self._failed = None
                raise
            annotator = self._load(str(path))
            annotator.shrink(OLDER_MEMORY_SHARE)
            self._failed = None
            versions.put_on_trial(OnTrial(annotator, trial))
