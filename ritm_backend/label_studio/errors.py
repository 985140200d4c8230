"""What can be wrong with a request of Label Studio."""

from ritm_model.errors import RitmError


class RequestError(RitmError):
    """The request is not one of Label Studio's protocol."""


class ConfigError(RitmError):
    """The labeling configuration cannot be read, or offers no place for a mask."""


class TaskError(RitmError):
    """The task does not hold what the labeling configuration says, or is of another image."""
