"""A run with one stage in the place of another."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from pipeline.nightly import runner

Broken = Callable[[str, BaseException], AbstractContextManager[None]]


@pytest.fixture
def broken() -> Broken:
    """Makes a stage raise inside a block."""

    @contextmanager
    def breaking(name: str, error: BaseException) -> Iterator[None]:
        def stop(_context: Any) -> Any:
            raise error

        assert name in {stage.name for stage in runner.STAGES}
        stages = [replace(s, work=stop) if s.name == name else s for s in runner.STAGES]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "STAGES", tuple(stages))
            yield

    return breaking
