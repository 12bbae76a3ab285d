"""A ttrpc client of our own, that may also say what a decent one never would."""

import socket
import struct

from protobuf import fields, message

KINDS = {"request": 1, "response": 2, "data": 3}


class RpcError(Exception):
    def __init__(self, code, text):
        super().__init__(f"code {code}: {text}")
        self.code, self.text = code, text


class Client:
    def __init__(self, path, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)  # waits where the backlog is full; with a timeout it would fail
        self.socket.settimeout(timeout)
        self.stream = -1
        self.early = {}

    def close(self):
        self.socket.close()

    def send_frame(self, stream, kind, data, length=None):
        self.socket.sendall(struct.pack(">IIBB", len(data) if length is None else length, stream, kind, 0) + data)

    def ask(self, method, request, service="containerd.task.v2.Task"):
        """Sends a request: its stream."""
        self.stream += 2
        data = message({1: service, 2: method, 3: message(request)})
        self.send_frame(self.stream, KINDS["request"], data)
        return self.stream

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    def frame(self):
        length, stream, kind, _ = struct.unpack(">IIBB", self.receive(10))
        return stream, kind, self.receive(length)

    def answer(self, stream):
        """The fields of the answer to a stream; RpcError."""
        while stream not in self.early:
            got, kind, data = self.frame()
            assert kind == KINDS["response"], kind
            self.early[got] = fields(data)
        response = self.early.pop(stream)
        status = fields(response.get(1, b""))
        if status.get(1):
            raise RpcError(status[1], status.get(2, b"").decode())
        return fields(response.get(2, b""))

    def call(self, method, request, **options):
        return self.answer(self.ask(method, request, **options))
