"""What earlier jobs came to from the same labels, base and rules, so that no job does the same in vain."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ritm_model.files import write_file
from ritm_model.learning.recipes import Recipe
from ritm_model.learning.recipes.loading import recipe_yaml
from ritm_ops.registry import Registry, version_of
from training.pipelines.fields import Publishing
from training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Tried:
    """One file per combination of all that the end of a job follows from."""

    path: Path
    name: str

    @staticmethod
    def of(settings: TrainingSettings, fingerprint: str, base: str, recipe: Recipe) -> Tried:
        """Of labels with this fingerprint, and the base of this version, wherever its file lies."""
        anywhere = recipe.model.model_copy(update={"weights": None})
        how = recipe_yaml(recipe.model_copy(update={"model": anywhere}))
        rules = f"{settings.margin} {settings.held_out} {settings.objects}"
        where = f"{settings.registry_uri} {settings.model}"
        told = "\n".join((fingerprint, base, rules, where, how))
        digest = hashlib.sha256(told.encode()).hexdigest()[:32]
        return Tried(settings.folder / "tried" / f"{digest}.json", settings.model)

    def found(self, registry: Registry, publishing: Publishing) -> str | None:
        """Why another job would publish nothing: a sentence for people, or None if it may.

        What was good enough for publishing counts as tried once people have decided against it, or while they
        are asked to decide.
        """
        if not self.path.exists():
            return None
        earlier = json.loads(self.path.read_bytes())
        reason = earlier["message"]
        if (sha256 := earlier.get("sha256")) is not None:
            reason = registry.refusal(self.name, sha256)
            if reason is None and publishing != "automatic":
                waiting = {manifest.version for manifest in registry.candidates(self.name)}
                version = version_of(self.name, sha256)
                reason = f"{version} waits for a decision." if version in waiting else None
        return reason and f"Nothing has changed since job {earlier['job']}. {reason}"

    def note(self, job_id: str, message: str, sha256: str | None = None) -> None:
        """Keep what a job came to: a sentence, and the SHA-256 of weights that were good enough."""
        self.path.parent.mkdir(exist_ok=True)
        write_file(self.path, json.dumps({"job": job_id, "message": message, "sha256": sha256}))
