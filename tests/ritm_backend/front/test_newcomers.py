"""A real listening socket whose newcomers are held off: nobody is reset, neither they nor who came before."""

from __future__ import annotations

import errno
import select
import socket
import sys
from contextlib import ExitStack

import pytest

from ritm_backend.front.newcomers import hold_off_newcomers


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
def test_newcomers_are_refused_once_the_socket_is_closed_and_nobody_is_reset() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        early = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=30))
        hold_off_newcomers(listener)
        late = stack.enter_context(socket.socket())
        late.setblocking(False)
        late.connect_ex(listener.getsockname())
        early.sendall(b"a click")

        taken, _ = listener.accept()
        stack.enter_context(taken)
        assert taken.recv(100) == b"a click"
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        listener.close()
        _, connected, _ = select.select([], [late], [], 30)
        assert connected == [late]
        assert late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_sockets_of_other_kinds_are_left_alone(tmp_path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        hold_off_newcomers(listener)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "socket"))
