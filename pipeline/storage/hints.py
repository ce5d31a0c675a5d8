"""Hints about errors of a storage client, by their class and words alone.

The clients (s3fs, gcsfs, …) are optional packages with exceptions of their own, so nothing of
theirs is imported here.
"""

from __future__ import annotations

import re

_S3 = ("s3", "s3a")
_CREDENTIALS = re.compile("credential|profile|permission|token|forbidden|accessdenied", re.I)
_UNREACHABLE = re.compile("connect|timeout|endpoint", re.I)
_KEYWORD = re.compile(r"unexpected keyword argument '(\w+)'")
_EXTRAS = {"s3": "'gemel[s3]'", "s3a": "'gemel[s3]'", "gs": "gcsfs", "gcs": "gcsfs",
           "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs", "hf": "huggingface_hub"}  # fmt: skip
_ENDPOINT = "{option}: {{client_kwargs: {{endpoint_url: …}}}}"


def hint(error: BaseException, *, path: str, option: str = "storage_options") -> str:
    """Return '; …' with the next step, or nothing where none is known.

    Args:
        option: the setting that the client's options come from.
    """
    protocol = path.split("://")[0] if "://" in path else ""
    words = _next_step(error, protocol, option)
    return f"; {words}" if words else ""


def is_missing_bucket(error: BaseException) -> bool:
    """Say whether a storage knows the bucket itself not, rather than something in it."""
    return isinstance(error, FileNotFoundError) and "bucket does not exist" in str(error)


def _next_step(error: BaseException, protocol: str, option: str) -> str:
    endpoint = _ENDPOINT.format(option=option)
    said = f"{type(error).__name__} {error}"
    if isinstance(error, ImportError):
        package = _EXTRAS.get(protocol)
        return f"pip install {package}" if package else ""
    if isinstance(error, ValueError) and "Protocol not known" in said:
        return "use a local path or a URL of a known kind: s3://, gs://, abfs://, https://"
    if isinstance(error, TypeError) and (found := _KEYWORD.search(said)):
        return f"{option} has no key {found[1]!r} here: {_known(protocol)}"
    if not protocol:
        return ""
    if is_missing_bucket(error):
        return f"check the bucket's name; for storage other than AWS set {endpoint}"
    if isinstance(error, PermissionError) or _CREDENTIALS.search(said):
        return _sign_in(protocol, option)
    if _UNREACHABLE.search(said):
        where = f", and {endpoint}" if protocol in _S3 else ""
        return f"check the address and the network{where}"
    return ""


def _known(protocol: str) -> str:
    if protocol in _S3:
        return (
            "remove it or correct it; key, secret, token, profile, anon stand on their own, "
            "endpoint_url and region_name under client_kwargs"
        )
    return "remove it or correct its spelling"


def _sign_in(protocol: str, option: str) -> str:
    if protocol in _S3:
        return (
            "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            f"{option}: {{profile: …}}; for a public bucket {option}: {{anon: true}}"
        )
    return f"give credentials in the environment or in {option}"
