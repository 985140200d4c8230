"""Getting the bytes of a task's image, wherever Label Studio says it is, without being led astray."""

from ritm_backend.images.errors import FetchError
from ritm_backend.images.fetcher import ImageFetcher

__all__ = ["FetchError", "ImageFetcher"]
