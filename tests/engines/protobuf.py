"""Protocol buffers' wire format, by hand: field numbers and values."""

import struct


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def message(values):
    """{number: value}: integers, texts, bytes, lists of these, and dictionaries for messages within."""
    out = b""
    for number, value in values.items():
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


def pairs(data):
    """(number, value) in their order; messages within, and fixed32 numbers, are bytes."""
    found, at = [], 0
    while at < len(data):
        tag, at = read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 1:
            value, at = struct.unpack("<d", data[at:at + 8])[0], at + 8
        else:
            size, at = read_varint(data, at) if kind == 2 else (4, at)
            value, at = data[at:at + size], at + size
        found.append((tag >> 3, value))
    return found


def all_fields(data):
    """{number: every value}."""
    found = {}
    for number, value in pairs(data):
        found.setdefault(number, []).append(value)
    return found


def fields(data):
    """{number: the last value}."""
    return dict(pairs(data))
