"""What can be wrong with a request for BRS."""

from ritm_model.errors import RitmError


class BRSError(RitmError):
    """A mode that is not known or that the network cannot do, or no SciPy."""
