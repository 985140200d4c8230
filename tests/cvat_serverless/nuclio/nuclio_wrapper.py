"""The Python side of a Nuclio function, as a process: our own loop around the real `nuclio_sdk`.

It honours the contract that a handler sees: two unix sockets, msgpack events behind a length, lines that
start with s, l, m or r, `init_context` once, tracebacks for exceptions, and a list taken for a batch.
"""

import argparse
import json
import logging
import re
import socket
import struct
import sys
import time
import traceback
from importlib import import_module
from typing import Any

import msgpack
import nuclio_sdk
from nuclio_sdk.event import EventDeserializerKinds
from nuclio_sdk.json_encoder import Encoder
from nuclio_sdk.logger import HumanReadableFormatter, JSONFormatter


def main() -> None:
    parser = argparse.ArgumentParser()
    for option in ("handler", "event-socket-path", "control-socket-path", "platform-kind", "namespace"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("worker-id", "trigger-kind", "trigger-name"):
        parser.add_argument(f"--{option}")
    arguments = parser.parse_args()

    logger = nuclio_sdk.Logger(logging.DEBUG)
    logger.set_handler("default", sys.stdout, HumanReadableFormatter())
    try:
        wrapper = Wrapper(arguments, logger)
    except Exception as error:
        logger.warn_with("Failed to start", err=str(error), traceback=traceback.format_exc())
        raise SystemExit(1) from error
    wrapper.serve()


class Wrapper:
    def __init__(self, arguments: argparse.Namespace, logger: Any) -> None:
        self.encode = Encoder().encode
        self.handler = load_handler(arguments.handler)
        self.events = connect(arguments.event_socket_path)
        self.control = connect(arguments.control_socket_path)
        self.lines = self.events.makefile("w")
        logger.set_handler("default", self.lines, Lines())
        self.context = nuclio_sdk.Context(
            logger,
            nuclio_sdk.Platform(arguments.platform_kind, namespace=arguments.namespace),
            arguments.worker_id,
            nuclio_sdk.TriggerInfo(arguments.trigger_kind, arguments.trigger_name),
        )
        module = sys.modules[self.handler.__module__]
        if hasattr(module, "init_context"):
            module.init_context(self.context)
        started = {"kind": "wrapperInitialized", "attributes": {"ready": "true"}}
        self.control.sendall((json.dumps(started) + "\n").encode())
        self.write("s")

    def write(self, line: str) -> None:
        self.lines.write(line + "\n")
        self.lines.flush()

    def serve(self) -> None:
        while (message := self.receive()) is not None:
            event = nuclio_sdk.Event.deserialize(message, kind=EventDeserializerKinds.msgpack)
            self.write("r" + self.encode(self.answer(event)))

    def receive(self) -> Any:
        length = self.events.recv(4)
        if len(length) < 4:
            return None
        (n_bytes,) = struct.unpack(">i", length)
        message = bytearray()
        while len(message) < n_bytes:
            part = self.events.recv(n_bytes - len(message))
            if not part:
                return None
            message += part
        return msgpack.unpackb(bytes(message), raw=False)

    def answer(self, event: Any) -> Any:
        try:
            started = time.perf_counter()
            output = self.handler(self.context, event)
            self.write("m" + json.dumps({"duration": time.perf_counter() - started}))
            if isinstance(output, list):
                return [self.response(item) for item in output]
            return self.response(output)
        except Exception as error:  # noqa: BLE001
            text = f'Exception caught in handler - "{error}": {traceback.format_exc()}'
            self.context.logger.warn(text)
            return {"body": text, "body_encoding": "text", "content_type": "text/plain", "status_code": 500}

    def response(self, output: Any) -> Any:
        return nuclio_sdk.Response.from_entrypoint_output(self.encode, output)


class Lines(JSONFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return "l" + str(super().format(record))


def load_handler(name: str) -> Any:
    match = re.fullmatch(r"([\w-]+(?:\.[\w-]+)*):(\w+)", name)
    if not match:
        raise ValueError(f"Malformed handler {name!r}")
    return getattr(import_module(match[1]), match[2])


def connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    return connection


if __name__ == "__main__":
    main()
