"""What to tell the administrator when a server answers with something other than the image."""

from ritm_ops.label_studio.tokens import LabelStudioToken
from ritm_ops.pictures.errors import FetchError
from ritm_ops.pictures.urls import HttpUrl


def refusal(
    status: int, shown: str, start: HttpUrl, url: HttpUrl, *, is_home: bool, token: LabelStudioToken | None
) -> FetchError:
    """Make the error for an answer that is neither an image nor a redirect.

    Args:
        status: HTTP status.
        shown: the image, as the task names it.
        start: where the fetch began.
        url: what was answered, after redirects.
        is_home: whether it is Label Studio's own answer, to a request with the token.
        token: the configured token.
    """
    if is_home and status in (401, 403):
        return FetchError(_unauthorized(status, shown, token))
    if is_home and status == 404:
        return FetchError(
            f"Label Studio has no image {shown}, or none that the user of LABEL_STUDIO_API_KEY may see "
            "(cloud images also need a storage of the project that covers them)."
        )
    if status in (401, 403) and url.host == start.host and url.origin != start.origin:
        return FetchError(
            f"{start.scheme}://{start.authority} redirects to {url.scheme}://{url.authority}, where no token "
            f"is sent, and got {status}: if that is Label Studio, put it into LABEL_STUDIO_URL."
        )
    return FetchError(f"{url.authority} answered {status} for the image {shown}.")


def _unauthorized(status: int, shown: str, token: LabelStudioToken | None) -> str:
    if token is None:
        return f"Label Studio wants a token for the image {shown}: set LABEL_STUDIO_API_KEY."
    if status == 403:
        return f"The Label Studio user of LABEL_STUDIO_API_KEY may not see the image {shown}."
    if token.is_personal:
        return f"Label Studio refused the token in LABEL_STUDIO_API_KEY for the image {shown}."
    return (
        f"Label Studio refused the legacy token in LABEL_STUDIO_API_KEY for the image {shown}; newer "
        "versions switch legacy tokens off, so use a personal access token."
    )
