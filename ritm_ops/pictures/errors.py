"""The error of this package."""

from ritm_model.errors import RitmError


class FetchError(RitmError):
    """An image could not be had. The sentence names the place without its query string, and no token."""
