"""Arrays and a few plain values as bytes: the same state always gives the same bytes."""

import hashlib
import json
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

_MAGIC = b"ACE1"
_DIGEST = 32
_START = len(_MAGIC) + _DIGEST + 8


class CorruptState(ValueError):
    """The bytes are not a whole state of the kind asked for."""


def pack(
    kind: str, values: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[np.float64]]
) -> bytes:
    """Return magic, SHA-256 of the rest, length of the header, header in JSON, raw float64s."""
    shapes = {name: array.shape for name, array in arrays.items()}
    header = json.dumps({"kind": kind, "values": dict(values), "shapes": shapes}).encode()
    body = len(header).to_bytes(8, "little") + header
    body += b"".join(np.ascontiguousarray(a, dtype="<f8").tobytes() for a in arrays.values())
    return _MAGIC + hashlib.sha256(body).digest() + body


def unpack(kind: str, data: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[np.float64]]]:
    """Return the values and arrays of `pack`; raise `CorruptState` if a single bit differs."""
    body = data[len(_MAGIC) + _DIGEST :]
    whole = len(data) >= _START and data.startswith(_MAGIC)
    if not whole or hashlib.sha256(body).digest() != data[len(_MAGIC) : len(_MAGIC) + _DIGEST]:
        raise CorruptState(f"the saved {kind} is damaged: its checksum does not fit")
    end = 8 + int.from_bytes(body[:8], "little")
    header = json.loads(body[8:end])
    if header["kind"] != kind:
        raise CorruptState(f"saved was {header['kind']!r}, asked for is {kind!r}")
    arrays = {}
    for name, shape in header["shapes"].items():
        size = prod(shape)
        flat = np.frombuffer(body, dtype="<f8", count=size, offset=end)
        arrays[name] = flat.astype(np.float64).reshape(shape)
        end += 8 * size
    return header["values"], arrays
