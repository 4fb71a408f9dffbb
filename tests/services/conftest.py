"""What the tests of every service stand on."""

from collections.abc import Iterator

import pytest

from tests.services.rtb.bench import Loop


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()
