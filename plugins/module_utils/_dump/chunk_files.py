# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Writing and reading chunks: zstd-compressed COPY text with a SHA-256 of the file and a checksum of its rows.

In an encrypted dump, what zstd has written is encrypted, and the SHA-256 is that of the encrypted file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Optional

try:
    import zstandard
except ImportError:  # named by libraries.missing()
    zstandard = None

from .._errors import MigrationError
from .._system.file_modes import make_directories, private
from .._values.line_block import LineBlock
from .._values.row_checksum import block_checksum
from .dump_key import DecryptionError, DumpKey
from .encrypted_files import DecryptedReader, EncryptedWriter
from .manifest import MAKE_AGAIN, Chunk
from .write_errors import write_error

COMPRESSION_LEVEL = 1
READ_BYTES = 1 << 18
_MOST_SYNCED = 16
"""At the same time."""


class _HashedFile:
    """A file that is hashed and counted while it is written or read from beginning to end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.sha256.update(data)
        self.bytes += len(data)
        return data


class ChunkWriter:
    """Context manager that writes one chunk.

    The file has its name only when it is whole; a block that raises leaves nothing. ``sync_files`` puts it on disk.
    """

    chunk: Chunk
    """The description of the file, once the block has ended without an error."""

    def __init__(self, path: str, key: Optional[DumpKey] = None) -> None:
        self.path = path
        self._key = key
        self._partial = path + ".part"
        self._rows = 0
        self._text_bytes = 0
        self._checksum = 0

    def __enter__(self) -> ChunkWriter:
        self._raw = open(self._partial, "wb", opener=private)
        self._file = _HashedFile(self._raw)
        self._encrypted = EncryptedWriter(self._file, self._key) if self._key else None
        compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, write_checksum=True)
        self._stream = compressor.stream_writer(self._encrypted or self._file, closefd=False)  # type: ignore[arg-type]
        return self

    def write(self, block: LineBlock) -> None:
        """Add rows."""
        self._checksum += block_checksum(block)
        self._stream.write(block.text)
        self._rows += block.rows
        self._text_bytes += len(block.text)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            if self._encrypted:
                with contextlib.suppress(OSError):
                    self._encrypted.close()
            self._raw.close()
            os.unlink(self._partial)
            return
        self._stream.close()
        if self._encrypted:
            self._encrypted.close()
        self._raw.close()
        os.replace(self._partial, self.path)
        self.chunk = Chunk(
            file=os.path.basename(self.path),
            rows=self._rows,
            bytes=self._file.bytes,
            text_bytes=self._text_bytes,
            sha256=self._file.sha256.hexdigest(),
            checksum=str(self._checksum),
        )


@contextlib.contextmanager
def write_chunk(path: str, table: str, key: Optional[DumpKey] = None) -> Iterator[ChunkWriter]:
    """Write one chunk of the table of that full name, in a directory that is made where it is missing.

    Raises ConfigurationError when the file cannot be written.
    """
    try:
        make_directories(os.path.dirname(path))
        with ChunkWriter(path, key) as writer:
            yield writer
    except OSError as error:
        raise write_error(path, error, table) from error


def sync_files(paths: Sequence[str]) -> None:
    """Wait until files are on disk: at the same time, which a file system makes one write of its journal.

    Raises ConfigurationError.
    """
    with ThreadPoolExecutor(max(1, min(_MOST_SYNCED, len(paths)))) as threads:
        for synced in [threads.submit(_sync, path) for path in paths]:
            synced.result()


def _sync(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise write_error(path, error) from error


class ChunkReader(io.RawIOBase):
    """The COPY text of a chunk as a binary file for ``copy_expert``; ``verify`` after the end tells whether it was the
    chunk.

    ``damage`` keeps the error that ``read`` raised: psycopg2 turns it into one of its own.
    """

    def __init__(self, path: str, key: Optional[DumpKey] = None) -> None:
        super().__init__()
        self.path = path
        self.damage: Optional[MigrationError] = None
        try:
            self._raw = open(path, "rb")  # noqa: SIM115  (closed by close)
        except OSError as error:
            raise MigrationError(f"cannot read the dump's chunk {path}: {error.strerror}") from error
        self._file = _HashedFile(self._raw)
        self._decrypted = DecryptedReader(self._file, key) if key else None
        self._stream = zstandard.ZstdDecompressor().stream_reader(  # type: ignore[call-overload]
            self._decrypted or self._file,
            read_size=READ_BYTES,
            read_across_frames=True,
        )

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes of COPY text. Raises MigrationError when the file is damaged."""
        return self._undamaged(self._stream, size)

    def _undamaged(self, source: Any, size: int) -> bytes:
        try:
            return source.read(size)
        except (zstandard.ZstdError, DecryptionError) as error:
            self.damage = MigrationError(f"the dump's chunk {self.path} is damaged ({error}): {MAKE_AGAIN}")
            raise self.damage from error

    def verify(self, chunk: Chunk) -> None:
        """Raise MigrationError unless the file that was read is the one the manifest describes."""
        # A thread reads an encrypted file.
        while self._undamaged(self._decrypted, READ_BYTES) if self._decrypted else self._file.read(READ_BYTES):
            pass
        if self._file.bytes != chunk.bytes or self._file.sha256.hexdigest() != chunk.sha256:
            raise MigrationError(
                f"the dump's chunk {self.path} is not what the manifest says (its SHA-256 differs): {MAKE_AGAIN}"
            )

    def close(self) -> None:
        if not self.closed:
            if self._decrypted:
                self._decrypted.close()
            self._raw.close()
        super().close()


def open_chunk(path: str, key: Optional[DumpKey] = None) -> ChunkReader:
    """Open a chunk for reading, with the key of its dump. Raises MigrationError when it is missing."""
    return ChunkReader(path, key)


def read_lines(reader: ChunkReader) -> Iterator[list[bytes]]:
    """Yield the rows of a chunk, some at once, each as its COPY line without newline. Raises MigrationError."""
    parts: list[bytes] = []
    while data := reader.read(READ_BYTES):
        parts.append(data)
        if b"\n" in data:
            # A line is not kept in more than two forms at a time.
            text = b"".join(parts)
            parts.clear()
            lines = text.split(b"\n")
            del text
            if rest := lines.pop():
                parts.append(rest)
            yield lines
            del lines
    if parts:
        yield [b"".join(parts)]
