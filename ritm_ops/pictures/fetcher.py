"""From what a task says about its picture to the picture's bytes.

The road of one fetch: bytes in the reference, or else a file in a given folder, or else an object of S3, or
what Label Studio or another server answers.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from urllib.parse import quote

from ritm_model.images import ImageError, image_size
from ritm_model.images.finding import ImageFinder
from ritm_ops.pictures import addresses, storage, transport
from ritm_ops.pictures.access import PictureAccess
from ritm_ops.pictures.addresses import Resolver
from ritm_ops.pictures.data_urls import decode_data_url
from ritm_ops.pictures.errors import FetchError
from ritm_ops.pictures.label_studio import serves_data
from ritm_ops.pictures.local_files import local_file_name, read_file, read_local_file
from ritm_ops.pictures.storage import DirectStorage, StoredObject
from ritm_ops.pictures.transport import Dialer
from ritm_ops.pictures.urls import HttpUrl, brief, scheme_of
from ritm_ops.pictures.web import WebPictures

_DRIVE = re.compile(r"[a-zA-Z]:[/\\]")


class PictureFetcher:
    """Fetches pictures by the references that stand in tasks; one per process, thread-safe.

    Args:
        access: what may be read.
        resolve: looks up the addresses of (host, port).
        dial: opens a TCP connection to (address, port) within so many seconds.
    """

    def __init__(
        self, access: PictureAccess, *, resolve: Resolver = addresses.resolve, dial: Dialer = transport.dial
    ) -> None:
        self._access = access
        self._web = WebPictures(access, resolve, dial)
        self._storage = DirectStorage(access)
        self._everything = ImageFinder(*access.local_roots)
        self._plain_names = ImageFinder(*access.folders)

    def find(self, reference: str) -> Path | None:
        """The file in one of the given folders that a reference names, if there is one and no other."""
        reference = reference.strip()
        found = self._everything.find(reference)
        if found is None and self._access.local_files_root and self._is_plain(reference):
            found = self._plain_names.find(reference)
        return found

    def fetch(self, reference: str, *, task_id: int | None = None) -> bytes:
        """Return the bytes of a picture, undecoded; of an image file, with no more pixels than allowed.

        Args:
            reference: as it stands in the task: a path or name in one of the folders, an upload or other path
                on Label Studio, a local file, `s3://`, `gs://`, `azure-blob://`, `http(s)://`, or `data:`.
            task_id: the task, through which Label Studio opens cloud storage.

        Raises:
            FetchError: one sentence for the administrator, without secrets.
            StoreError: S3 is asked directly, and cannot be used just now.
        """
        return self.fetch_tagged(reference, task_id=task_id)[0]

    def fetch_tagged(self, reference: str, *, task_id: int | None = None) -> tuple[bytes, str]:
        """The bytes as `fetch` returns them, and the tag (ETag) of an object of S3, or else nothing."""
        data, tag = self._fetched(reference.strip(), task_id)
        try:
            size = image_size(data)
        except ImageError:  # whoever decodes it says what is wrong
            return data, tag
        if size[0] * size[1] > self._access.limits.max_pixels:
            raise FetchError(
                f"The image {brief(reference)} has {size[0]} x {size[1]} pixels, more than "
                "RITM_IMAGE_MAX_MEGAPIXELS allows."
            )
        return data, tag

    def _fetched(self, reference: str, task_id: int | None) -> tuple[bytes, str]:
        try:
            reference.encode()
        except UnicodeEncodeError:  # JSON can spell halves of characters
            raise FetchError(f"The image address {brief(reference)} is not valid text.") from None
        if not reference:
            raise FetchError("The task names no image.")
        scheme = scheme_of(reference)
        if scheme == "data":
            return decode_data_url(reference, self._access.limits.max_bytes), ""
        path = self.find(reference)
        if path is not None:
            shown = f"The file of the image {brief(reference)}"
            return read_file(path, shown, self._access.limits.max_bytes), ""
        if scheme in storage.SCHEMES:
            return self._stored(reference, task_id)
        if scheme in ("http", "https"):
            return self._from_url(HttpUrl.parse(reference)), ""
        if scheme not in (None, "file") and not _DRIVE.match(reference):
            raise FetchError(
                f"The image {brief(reference)} has an address of an unknown kind ({brief(scheme or '')}:); "
                "known are http, https, data, s3, gs, azure-blob and paths on Label Studio."
            )
        return self._from_path(reference), ""

    def _is_plain(self, reference: str) -> bool:
        """Whether a reference is to one of Label Studio's local files, or a path without an address."""
        scheme = scheme_of(reference)
        if scheme in ("http", "https"):
            return self._local_file_name(reference) is not None
        if scheme in storage.SCHEMES:
            return False
        return not reference.startswith("/data/") or local_file_name(reference) is not None

    def _from_path(self, reference: str) -> bytes:
        """What a reference without an address names, other than a file that has been found."""
        root = self._access.local_files_root
        name = self._local_file_name(reference) if root else None
        if root is not None and name is not None:
            return read_local_file(root, name, self._access.limits.max_bytes)
        if reference.startswith(("data/upload/", "data/local-files/")):
            reference = f"/{reference}"
        if reference.startswith("/") and (self._web.label_studio is not None or _serves_path(reference)):
            url = self._web.on_label_studio(reference)
            return self._web.get(url, shown=str(url))
        folders = self._plain_names if self._access.folders else None
        raise FetchError(
            folders.missing(brief(reference))
            if folders is not None
            else f"The image {brief(reference)} is in none of the folders that images may come from "
            "(RITM_IMAGES_FROM)."
        )

    def _from_url(self, url: HttpUrl) -> bytes:
        root = self._access.local_files_root
        name = self._local_file_name(f"{url.scheme}://{url.authority}{url.target}") if root else None
        if root is not None and name is not None:
            return read_local_file(root, name, self._access.limits.max_bytes)
        if self._web.label_studio is not None:
            url = self._web.label_studio.corrected(url)
        return self._web.get(url, shown=str(url))

    def _stored(self, reference: str, task_id: int | None) -> tuple[bytes, str]:
        item = StoredObject.parse(reference)
        if self._storage.serves(item):
            return self._storage.read(item, brief(reference))
        direct = " or list its bucket in RITM_ALLOWED_BUCKETS" if item.scheme == "s3" else ""
        if self._web.label_studio is None:
            raise FetchError(
                f"The image {brief(reference)} is in cloud storage, which Label Studio opens: "
                f"set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY{direct}."
            )
        if task_id is None:
            raise FetchError(
                f"The image {brief(reference)} is in cloud storage, which needs the id of a task{direct}."
            )
        encoded = quote(base64.urlsafe_b64encode(reference.encode()))
        url = self._web.on_label_studio(f"/tasks/{task_id:d}/presign/?fileuri={encoded}")
        return self._web.get(url, shown=brief(reference)), ""

    def _local_file_name(self, reference: str) -> str | None:
        """Return the name of a local file, if the reference is to one of Label Studio's."""
        if scheme_of(reference) is None:
            return None if reference.startswith("//") else local_file_name(reference)
        if scheme_of(reference) not in ("http", "https"):
            return None
        url = HttpUrl.parse(reference)
        is_ours = self._web.label_studio is not None and self._web.label_studio.is_here(url)
        return local_file_name(url.target) if is_ours else None


def _serves_path(reference: str) -> bool:
    return serves_data(HttpUrl("http", "", 80, reference.partition("?")[0]))
