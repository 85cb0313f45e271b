"""Values in an object store, an object each: Amazon S3, Google Cloud Storage, Azure Blob Storage,
and what speaks their protocols.

The one module that imports obstore, which knows these protocols and their credentials: those come
from the environment of each process, and stand nowhere else.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError
from obstore.store import from_url

from wfc.runtime.codec import Buffer, buffers_size
from wfc.runtime.names import BadName, check_key
from wfc.runtime.seal import Sealer
from wfc.runtime.storage_errors import CorruptValue, StorageError

if TYPE_CHECKING:
    from obstore.store import ObjectStore, RetryConfig

PART = 8 << 20
"""Bytes of one request: what is larger travels in parts, some of them at once. A request has to be
answered within 30 s (that is obstore's: `AWS_TIMEOUT` and the like change it)."""
_PARTS_AT_ONCE = 4
_MOST_PARTS = 10_000
"""That is S3's limit; the others allow more."""
_DELETED_AT_ONCE = 1000

_RETRIES: RetryConfig = {
    "max_retries": 100,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    },
}
"""What may pass by itself is tried again, for so long. Who waits for it then is told."""


class ObjectValues:
    """Values in an object store, below a URL such as `s3://bucket/prefix`.

    An object appears when all of it is there, and is never replaced: small ones are written on the
    condition that there is none of that name, and of large ones (which no store lets be written so
    in parts) the name is new. `store` takes the place of what the URL names (for tests).
    """

    def __init__(self, url: str, sealer: Sealer, *, store: ObjectStore | None = None) -> None:
        self.url = url
        self._sealer = sealer
        self._conditional = True
        try:
            self._store = store or from_url(url, retry_config=_RETRIES)
        except (BaseError, OSError, ValueError) as error:
            raise self._failure("use", "", error) from error

    # ------------------------------------------------------------------------------ the methods

    def put(self, key: str, buffers: Sequence[Buffer]) -> tuple[int, bytes]:
        """See `ValueStore.put`."""
        check_key(key)
        sealed = self._sealer.begin(buffers)
        size = buffers_size(buffers)
        failure: Exception | None = None
        try:
            if size <= PART:
                self._put_whole(key, b"".join(buffers))
            else:
                self._put_parts(key, buffers, size)
        except (BaseError, OSError) as error:
            failure = error
        finally:
            seal = sealed()
        if failure is not None and not self._was_put(key, size, seal, failure):
            raise self._failure("write", key, failure) from failure
        return size, seal

    def get(self, key: str, size: int, seal: bytes) -> memoryview:
        """See `ValueStore.get`."""
        check_key(key)
        try:
            view = self._read(key, size)
        except FileNotFoundError as error:
            if _place_is_missing(error):
                raise self._failure("read", key, error) from error
            raise CorruptValue(f"value {key} is missing: no object {self.url}/{key}") from error
        except (BaseError, OSError) as error:
            raise self._failure("read", key, error) from error
        if not self._sealer.fits(view, seal):
            raise CorruptValue(
                f"value {key} is damaged: the seal of {self.url}/{key} does not fit its bytes"
            )
        return view

    def delete(self, keys: Iterable[str]) -> None:
        """See `ValueStore.delete`."""
        left = map(check_key, keys)
        while some := list(islice(left, _DELETED_AT_ONCE)):
            try:
                obstore.delete(self._store, some)
            except FileNotFoundError:  # some stores say so of an object, and may have left others
                self._delete_singly(some)
            except (BaseError, OSError) as error:
                raise self._failure("delete", some[0], error) from error

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `ValueStore.list`. What is no key of a value is not the run's, and not listed."""
        start = check_key(prefix) if prefix else None
        try:
            for page in obstore.list(self._store, start):
                for found in page:
                    with suppress(BadName):
                        yield check_key(found["path"])
        except (BaseError, OSError) as error:
            raise self._failure("list", prefix, error) from error

    def sweep(self, run_id: str) -> int:
        """See `ValueStore.sweep`: nothing half-written shows. The parts of a large value whose writer
        was killed are the store's to drop: by a rule for multipart uploads that are not completed."""
        return 0

    def close(self) -> None:
        """See `ValueStore.close`: the connections go with the process."""

    # -------------------------------------------------------------------------------- the parts

    def _put_whole(self, key: str, data: bytes) -> None:
        if self._conditional:
            try:
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
                return
            except (NotSupportedError, NotImplementedError):
                self._conditional = False  # that store knows no conditions, or is told to use none
        obstore.put(self._store, key, data, use_multipart=False)

    def _put_parts(self, key: str, buffers: Sequence[Buffer], size: int) -> None:
        obstore.put(
            self._store,
            key,
            iter(buffers),
            use_multipart=True,
            chunk_size=max(PART, -(-size // _MOST_PARTS)),
            max_concurrency=_PARTS_AT_ONCE,
        )

    def _was_put(self, key: str, size: int, seal: bytes, failure: Exception) -> bool:
        """Whether the value is there all the same: what was written, but whose answer was lost, is
        written again, and then the store says that it exists or that the upload is over."""
        if not isinstance(failure, AlreadyExistsError | FileNotFoundError):
            return False
        try:
            self.get(key, size, seal)
        except StorageError:
            return False
        return True

    def _read(self, key: str, size: int) -> memoryview:
        """The bytes, in memory of their own: arrays in it then lie where the processor wants them."""
        asked: obstore.GetOptions = {"range": (0, PART)} if size > PART else {}
        first = obstore.get(self._store, key, options=asked)
        found = first.meta["size"]
        if found != size:
            raise CorruptValue(
                f"value {key} is damaged: {self.url}/{key} has {found} bytes, not {size}"
            )
        if size == 0:
            return memoryview(b"")
        memory = memoryview(mmap.mmap(-1, size))

        def rest(start: int) -> None:
            end = min(start + PART, size)
            memory[start:end] = memoryview(
                obstore.get_range(self._store, key, start=start, end=end)
            )

        memory[:PART] = memoryview(first.bytes())
        if size > PART:
            with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
                for _ in pool.map(rest, range(PART, size, PART)):
                    pass
        return memory.toreadonly()

    def _delete_singly(self, keys: Iterable[str]) -> None:
        for key in keys:
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError as error:
                if _place_is_missing(error):
                    raise self._failure("delete", key, error) from error
            except (BaseError, OSError) as error:
                raise self._failure("delete", key, error) from error

    def _failure(self, doing: str, key: str, error: Exception) -> StorageError:
        place = f"{self.url}/{key}" if key else self.url
        return StorageError(f"cannot {doing} {place}: {_why(self.url, error)}")


def _place_is_missing(error: FileNotFoundError) -> bool:
    """Whether it is the bucket that is not there, rather than an object in it."""
    return "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error)


_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_METADATA = "169.254.169.254"
"""The address where cloud machines are told their own credentials: it is asked last."""


def _why(url: str, error: Exception) -> str:
    """The cause in a line: what the server said, or else what the connection died of. What obstore
    itself says has whole requests in it, and more than is good to print."""
    said, _, details = str(error).partition("\n\nDebug source:")
    if isinstance(error, AlreadyExistsError):
        return "there is another object of that name"
    if _METADATA in said or "Account must be specified" in said:
        names = _CREDENTIALS[url.partition(":")[0]]
        return (
            f"no credentials are in the environment ({names}), and this machine has none of its own"
        )
    server = re.search(r"https?://[^/\s?]+", said)
    code = re.search(r"<Code>([^<]*)</Code>", said)
    told = re.search(r"<Message>([^<]*)</Message>", said)
    status = re.search(r"status code: (\d+[\w ]*)", said)
    died = re.search(r'message: "([^"]*)"', details)
    if code and told:
        why = f"{code[1]}: {told[1]}"
    elif status:
        why = f"the server answers {status[1]}"
    elif "builder error" in said:
        why = "its address is not https, which AWS_ALLOW_HTTP=true would allow"
    elif "TimedOut" in details:
        why = "the server does not answer in time"
    else:
        why = died[1] if died else re.sub(r"\?\S*", "", said)
    why = " ".join(why.split())[:300]
    return f"{why} (from {server[0]})" if server and server[0] not in why else why
