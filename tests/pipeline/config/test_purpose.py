"""What a model may be for: a short list, and uses that are refused by name."""

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.config.base import PURPOSES, REFUSED_USES, Purpose

ADAPTER: TypeAdapter[str] = TypeAdapter(Purpose)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_listed_purpose_is_taken(purpose: str) -> None:
    assert ADAPTER.validate_python(purpose) == purpose


@pytest.mark.parametrize("purpose", [*REFUSED_USES, "Deduplication", "photo albums", "", None, []])
def test_any_other_is_refused_with_the_list_and_what_this_is_not_for(purpose: object) -> None:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python(purpose)
    said = str(caught.value)
    assert f"must be one of {', '.join(PURPOSES)}" in said
    assert all(use in said for use in REFUSED_USES)
    assert "out of scope" in said
