"""Frames: what is put around a text and says nothing: reply prefixes, closing lines, a cut end."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.matching.differences.items import Token
from pipeline.matching.differences.language.folding import fold, plain

PREFIXES = frozenset(
    [
        "re",
        "fw",
        "fwd",
        "aw",
        "wg",
        "antw",
        "antwort",
        "sv",
        "vs",
        "tr",
        "rv",
        "res",
        "enc",
        "odp",
        "pd",
        "yan",
        "ynt",
        "ilt",
        "ha",
        "на",
        "ответ",
        "пересл",
        "отв",
        "הנדון",
        "השב",
        "רד",
        "إعادة",
        "رد",
        "توجيه",
        "उत्तर",
        "回",
        "复",
        "覆",
        "答",
        "转",
        "发",
        "轉",
        "發",
        "返信",
        "転送",
        "返",
        "信",
        "転",
        "送",
    ]
)
GREETINGS = frozenset(
    [
        "hi",
        "hello",
        "dear",
        "hey",
        "hallo",
        "liebe",
        "lieber",
        "bonjour",
        "salut",
        "hola",
        "cześć",
        "merhaba",
        "здравствуйте",
        "привет",
        "שלום",
        "مرحبا",
        "नमस्ते",
    ]
)
CLOSINGS = tuple(
    tuple(line.split())
    for line in (
        "sent from", "get outlook", "kind regards", "best regards", "regards", "best wishes",
        "yours sincerely", "sincerely", "yours faithfully", "thanks and regards", "many thanks",
        "thank you", "thanks", "cheers", "this email", "this e mail", "this message", "the information in this",
        "confidentiality notice", "disclaimer", "please consider the environment", "unsubscribe",
        "to unsubscribe", "you received this", "you are receiving this", "mit freundlichen grüßen", "mit freundlichen grussen",
        "viele grüße", "beste grüße", "freundliche grüße", "von meinem", "gesendet von", "diese e mail",
        "cordialement", "bien à vous", "envoyé de", "envoyé depuis", "ce message", "saludos", "un saludo",
        "atentamente", "enviado desde", "este mensaje", "pozdrawiam", "z poważaniem", "wysłano z",
        "saygılarımla", "iyi günler", "с уважением", "отправлено с", "בברכה", "نשלח", "مع التحية", "تحياتي",
    )
)  # fmt: skip
LONGEST_CLOSING = 80  # tokens


def is_prefix(tokens: Sequence[Token]) -> bool:
    """Whether tokens that open one text only are reply prefixes or a greeting."""
    words = [plain(fold(word)) for word, _ in tokens]
    if all(word in PREFIXES for word in words):
        return True
    return len(words) <= 3 and words[0] in GREETINGS


def is_closing(tokens: Sequence[Token]) -> bool:
    """Whether tokens that close one text only are a signature or a disclaimer."""
    if len(tokens) > LONGEST_CLOSING:
        return False
    words = tuple(plain(fold(word)) for word, _ in tokens)
    if not any(words[: len(line)] == tuple(map(plain, line)) for line in CLOSINGS):
        return False
    return not any(letter.isdigit() for word in words for letter in word)


def goes_on(short: Sequence[Token], long: Sequence[Token]) -> bool:
    """Whether the end of a cut text is how the end of the other begins."""
    cut, whole = ("".join(plain(fold(word)) for word, _ in side) for side in (short, long))
    return whole.startswith(cut)
