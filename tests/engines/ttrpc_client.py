"""A ttrpc client of our own, that may also say what a decent one never would."""

import socket
import struct

KINDS = {"request": 1, "response": 2, "data": 3}


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def message(fields):
    """{number: value}: integers, texts, bytes, lists of these, and dictionaries for messages within."""
    out = b""
    for number, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, (bool, int)):
                out += varint(number << 3) + varint(int(one))
                continue
            data = message(one) if isinstance(one, dict) else one.encode() if isinstance(one, str) else one
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def all_fields(data):
    """{number: every value}; messages within are bytes."""
    found, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            value, at = read_varint(data, at)
        elif tag & 7 == 1:
            value, at = struct.unpack("<d", data[at:at + 8])[0], at + 8
        else:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        found.setdefault(tag >> 3, []).append(value)
    return found


def fields(data):
    """{number: the last value}."""
    return {number: values[-1] for number, values in all_fields(data).items()}


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
