"""Pickled objects over a stream socket, each behind its length."""

from __future__ import annotations

import pickle
import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import Any

_HEAD = struct.Struct("<Q")
_CHUNK = 1 << 20


def pack(obj: Any) -> bytes:
    """An object as one frame."""
    data = pickle.dumps(obj, protocol=5)
    return _HEAD.pack(len(data)) + data


class Link:
    """One end. The side that may not block uses `flush` and `arrived` on a non-blocking socket; the
    other `send` and `receive` on a blocking one."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._in = bytearray()
        self._out: deque[memoryview] = deque()

    def fileno(self) -> int:
        """For selectors."""
        return self.sock.fileno()

    # ------------------------------------------------------------------ blocking

    def send(self, obj: Any) -> None:
        """Send an object; raises `OSError` when the other side is gone."""
        self.sock.sendall(pack(obj))

    def receive(self) -> Any:
        """The next object; raises `EOFError` when the other side is gone."""
        (size,) = _HEAD.unpack(self._exactly(_HEAD.size))
        return pickle.loads(self._exactly(size))

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        at = 0
        while at < size:
            try:
                count = self.sock.recv_into(view[at:])
            except ConnectionError:
                count = 0
            if not count:
                raise EOFError
            at += count
        return data

    # ------------------------------------------------------------------ not blocking

    def post(self, frame: bytes) -> None:
        """Queue a frame and send what the socket takes now."""
        self._out.append(memoryview(frame))
        self.flush()

    def flush(self) -> bool:
        """Send what the socket takes; whether nothing is left."""
        while self._out:
            frame = self._out[0]
            try:
                count = self.sock.send(frame)
            except BlockingIOError:
                return False
            except OSError:  # its death is noticed elsewhere
                self._out.clear()
                break
            if count == len(frame):
                self._out.popleft()
            else:
                self._out[0] = frame[count:]
        return True

    def arrived(self) -> tuple[list[Any], bool]:
        """The objects that came in, and whether the other side is gone."""
        gone = False
        while True:
            try:
                data = self.sock.recv(_CHUNK)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                gone = True
                break
            self._in += data
            if len(data) < _CHUNK // 4:
                break
        return list(self._objects()), gone

    def _objects(self) -> Iterator[Any]:
        at = 0
        view = memoryview(self._in)
        try:
            while len(self._in) - at >= _HEAD.size:
                (size,) = _HEAD.unpack_from(self._in, at)
                if len(self._in) - at - _HEAD.size < size:
                    break
                at += _HEAD.size
                yield pickle.loads(view[at : at + size])
                at += size
        finally:
            view.release()
            del self._in[:at]
