"""Errors that are meant to be read by the person who caused them."""


class RitmError(Exception):
    """Something the user or administrator can put right.

    The message is one plain sentence that says what is wrong and where. It holds no secrets and no
    paths the reader does not know already, so entry points show it as it is, without a traceback.
    """
