"""The key that a store is sealed with: from the environment, or the file `key` of its folder."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
from collections.abc import Callable, Mapping

from wfc.runtime.files import Files, write_new
from wfc.runtime.seal import KEY_BYTES
from wfc.runtime.storage_errors import WrongKey, os_failure

KEY_VARIABLE = "WFC_STORE_KEY"
_DRAFT = ".key."


def key_without_folder(environ: Mapping[str, str]) -> bytes:
    """The key that the environment gives; raises `WrongKey` where it gives none."""
    given = environ.get(KEY_VARIABLE)
    if given:
        return _parsed(given, KEY_VARIABLE)
    raise WrongKey(
        f"values in an object store have no folder for the store's key: set {KEY_VARIABLE} to "
        f"{KEY_BYTES} random bytes as hexadecimal digits (openssl rand -hex {KEY_BYTES}), the "
        "same for all who use the store"
    )


def key_in(
    folder: str,
    environ: Mapping[str, str],
    create: bool,
    files: Files,
    failpoint: Callable[[str], None],
) -> bytes:
    """The key that the environment gives, else that of the folder, which is made if `create`.

    Raises `WrongKey` where there is none, `StorageError`.
    """
    given = environ.get(KEY_VARIABLE)
    if given:
        return _parsed(given, KEY_VARIABLE)
    path = os.path.join(folder, "key")
    if create:
        try:
            if not os.path.exists(path):
                _make_key(folder, path, files, failpoint)
            _sweep_drafts(folder, files)
        except OSError as error:
            raise os_failure("write", path, error) from error
    try:
        with open(path, encoding="ascii") as file:
            return _parsed(file.read(), path)
    except FileNotFoundError as error:
        raise WrongKey(
            f"the store's key is missing: there is no {path}, and {KEY_VARIABLE} is not set"
        ) from error
    except OSError as error:
        raise os_failure("read", path, error) from error
    except UnicodeDecodeError as error:
        raise WrongKey(f"{path} is no key of {KEY_BYTES} bytes") from error


def _make_key(folder: str, path: str, files: Files, failpoint: Callable[[str], None]) -> None:
    """Make the key, whole or not at all; of several processes that do, one's key stays."""
    draft = os.path.join(folder, f"{_DRAFT}{secrets.token_hex(8)}")
    try:
        write_new(files, draft, secrets.token_hex(KEY_BYTES).encode("ascii") + b"\n")
        failpoint("key.written")
        # Another's key is there: either that shows, or its maker has swept this draft away.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            files.link(draft, path)
        failpoint("key.placed")
        here = files.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            files.fsync(here)
        finally:
            files.close(here)
    finally:
        with contextlib.suppress(OSError):
            files.unlink(draft)
    failpoint("key.durable")


def _sweep_drafts(folder: str, files: Files) -> None:
    """Delete what processes left that died while they made the key. There is one by now."""
    for name in os.listdir(folder):
        if name.startswith(_DRAFT):
            with contextlib.suppress(FileNotFoundError):
                files.unlink(os.path.join(folder, name))


def _parsed(text: str, place: str) -> bytes:
    """A key from its text; the text itself never stands in a message."""
    text = text.strip()
    for parse in (bytes.fromhex, _from_base64):
        try:
            key = parse(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == KEY_BYTES:
            return key
    raise WrongKey(f"{place} is no key of {KEY_BYTES} bytes, as hexadecimal digits or base64")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, altchars=b"-_" if set(text) & set("-_") else None, validate=True)
