"""Encodings of text files: stated, or told by their first bytes; UTF-8 wherever it fits."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass
from typing import IO, Any

from pipeline.ingestion.sources.alphabets import LATIN_USUAL, latin_encoding, words_beyond_ascii
from pipeline.ingestion.sources.files import READ_ERRORS, DataFile, open_binary

SAMPLE = 1 << 18  # bytes at the start of a file by which its encoding is told
# Shares: of control characters, above which a file is no text; of what is beyond ASCII that is
# UTF-8, from which a file is that, with other bytes in places.
CONTROLS, READABLE = 0.02, 0.1
ENOUGH = 32  # bytes beyond ASCII from which an encoding without a Latin alphabet is looked for
WIDE = 0.4  # share of zeros among every second byte from which a text is UTF-16
FEW_SIGNS = 3  # of ASCII, that a text in UTF-16 has at least
FEW = 8  # control characters that damage alone leaves in a text
_CONTROLS, _BEYOND = re.compile(rb"[\x00-\x08\x0e-\x1f]"), re.compile(rb"[\x80-\xff]+")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip or a spreadsheet", b"\x28\xb5\x2f\xfd": "zstd",
           b"BZh": "bzip2", b"%PDF": "PDF", b"PAR1": "Parquet"}  # fmt: skip


@dataclass(frozen=True)
class Encoding:
    """How the bytes of a file are read.

    Attributes:
        name: Python's name of the encoding.
        fallback: how a value is read whose bytes are none of it; None: it is refused.
    """

    name: str
    fallback: str | None = None

    @property
    def label(self) -> str:
        """Its name as a person writes it."""
        return "UTF-8" if self.name.startswith("utf-8") else self.name

    def repaired(self, value: str) -> str | None:
        """A value read with surrogate escapes, its bytes read by the fallback; None: refused.

        Only a value in which nothing beyond ASCII was readable: where some of it is UTF-8, the rest
        is damage, and reading it otherwise would invent letters.
        """
        if self.fallback is None or any(ord(sign) > 127 and not is_escaped(sign) for sign in value):
            return None
        try:
            return value.encode("ascii", "surrogateescape").decode(self.fallback)
        except UnicodeError:
            return None


def is_escaped(sign: str) -> bool:
    """Whether a character stands for a byte that could not be read."""
    return "\udc80" <= sign <= "\udcff"


def find_encoding(file: DataFile, stated: str | None) -> Encoding:
    """The encoding of a file: as stated, or by its first bytes.

    Raises:
        READ_ERRORS: the file cannot be read, or holds no text.
    """
    if stated:
        return Encoding(stated)
    sample = _start(file)
    if sample.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8", LATIN_USUAL)
    for mark, name in _MARKS:
        if sample.startswith(mark) and _is_wide(sample, name):
            return Encoding(name)
    if wide := _wide(sample):
        return Encoding(wide)
    kind = next((word for magic, word in _BINARY.items() if sample.startswith(magic)), None)
    if kind or len(_CONTROLS.findall(sample)) > max(FEW, len(sample) * CONTROLS):
        raise OSError(f"the file is binary{f' ({kind})' if kind else ''}, not text")
    runs = _BEYOND.findall(sample)
    if len(sample) >= SAMPLE:
        del runs[-1:]  # it may be cut
    readable = sum(map(_is_utf8, runs))
    if readable >= len(runs) * READABLE:
        return Encoding("utf-8", LATIN_USUAL)
    return Encoding(_guessed(sample))


def recode(stream: IO[bytes], encoding: Encoding) -> IO[bytes]:
    """The bytes of a text as UTF-8; what the encoding cannot read stays as it is."""
    if encoding.name in ("utf-8", "utf-8-sig"):
        return stream
    return io.BufferedReader(_Recoded(stream, encoding.name), 1 << 16)


class _Recoded(io.RawIOBase):
    """A stream of bytes in another encoding, given as UTF-8."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self.stream = stream
        self.decoder = codecs.getincrementaldecoder(name)("surrogateescape")
        self.ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = None
        while not self.ready and data != b"":
            data = self.stream.read1(len(buffer))  # type: ignore[attr-defined]
            try:
                text = self.decoder.decode(data, final=not data)
            except UnicodeError as error:
                raise OSError(str(error)) from error
            self.ready = text.encode("utf-8", "surrogateescape")
        size = min(len(buffer), len(self.ready))
        buffer[:size], self.ready = self.ready[:size], self.ready[size:]
        return size


def _is_wide(sample: bytes, name: str) -> bool:
    """Whether a mark is no damage: tables hold commas, brackets and ends of lines at least."""
    text = sample.decode(name, "ignore")
    return sum(sign.isascii() and sign != "\0" for sign in text) >= FEW_SIGNS


def _wide(sample: bytes) -> str | None:
    """UTF-16 without its mark, told by the zeros that are every second byte of Latin text."""
    zeros = [sample[start::2].count(0) / max(1, len(sample) // 2) for start in (0, 1)]
    if max(zeros) < WIDE or min(zeros) > CONTROLS:
        return None
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"


def _start(file: DataFile) -> bytes:
    """The first bytes of a file, as far as they can be read."""
    parts: list[bytes] = []
    with open_binary(file) as stream:
        try:
            while sum(map(len, parts)) < SAMPLE and (part := stream.read1(SAMPLE)):  # type: ignore[attr-defined]
                parts.append(part)
        except READ_ERRORS:
            if not parts:
                raise
    return b"".join(parts)[:SAMPLE]


def _guessed(text: bytes) -> str:
    """The encoding of text that is not UTF-8, by its words beyond ASCII."""
    latin = latin_encoding(words_beyond_ascii(text))
    if latin is None and sum(byte > 127 for byte in text) >= ENOUGH:
        import charset_normalizer

        # Lines that every encoding reads alike would pass for a language of their own.
        lines = [line for line in text.splitlines() if not line.isascii()]
        best = charset_normalizer.from_bytes(b"\n".join(lines)).best()
        if best is not None and best.encoding not in ("utf_8", "ascii"):
            return best.encoding
    return latin or LATIN_USUAL


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
