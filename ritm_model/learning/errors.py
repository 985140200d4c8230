"""Errors of learning that are meant for people."""

from ritm_model.errors import RitmError


class TrainingError(RitmError):
    """A recipe, a data set or a run that cannot go on; the sentence names what and where."""
