"""From a reference to a picture, as it stands in a task, to its bytes, without being led astray."""

from ritm_ops.pictures.access import Limits, PictureAccess
from ritm_ops.pictures.errors import FetchError
from ritm_ops.pictures.fetcher import PictureFetcher

__all__ = ["FetchError", "Limits", "PictureAccess", "PictureFetcher"]
