"""Connections that have not begun: kept from a listening socket that is about to be closed."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import sys

_SO_ATTACH_FILTER = 26  # of Linux; Python has no name for it
_FLAGS = 13  # where a TCP header has them
_SYN, _SYN_OR_ACK = 0x02, 0x12
_LOAD_BYTE, _AND, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
_ALL = 0xFFFFFFFF


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_if_true", ctypes.c_uint8),
        ("jump_if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def hold_off_newcomers(listener: socket.socket) -> None:
    """Have the kernel drop the first packet of new connections to a listening socket; begun ones go on.

    It holds for all processes that share the socket. Where the kernel cannot do it, nothing happens.
    """
    if sys.platform != "linux" or listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    instructions = (_Instruction * 5)(
        _Instruction(_LOAD_BYTE, 0, 0, _FLAGS),
        _Instruction(_AND, 0, 0, _SYN_OR_ACK),
        _Instruction(_JUMP_IF_EQUAL, 0, 1, _SYN),
        _Instruction(_RETURN, 0, 0, 0),
        _Instruction(_RETURN, 0, 0, _ALL),
    )
    program = _Program(len(instructions), instructions)
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))
