"""Numbers and times as a person reads them; the report and the terminal share them."""

from __future__ import annotations

from datetime import datetime


def count(value: float) -> str:
    """Thousands separated: 1,234,567."""
    return f"{value:,.0f}"


def share(value: float) -> str:
    """A share (0 … 1) as per cent; never rounded to none or to all when it is neither."""
    text = f"{100 * value:.1f} %"
    if text == "0.0 %" and value > 0:
        return "< 0.1 %"
    return "> 99.9 %" if text == "100.0 %" and value < 1 else text


def duration(seconds: float) -> str:
    """Seconds as `0.4 s`, `12 s`, `3 min 05 s` or `2 h 04 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(value: float) -> str:
    """Bytes with a unit: 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def moment(text: str) -> str:
    """An ISO time to the minute, its zone kept; anything else as it stands."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = time.strftime("%Z") if time.tzinfo else ""
    return f"{time:%Y-%m-%d %H:%M} {zone}".strip()


def number(value: float | None) -> str:
    """A gate's value or limit, without exponents: 12,000, 0.95, 0.000025; None is unknown."""
    if value is None:
        return "unknown"
    if float(value).is_integer():
        return count(value)
    return f"{value:,.6f}".rstrip("0") if abs(value) < 1 else f"{value:,.2f}"
