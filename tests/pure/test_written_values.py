"""Small texts that wires write: instants and XML values."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.iso_time import write_ms
from shared.domain.xml_text import Value, write_element


@given(st.integers(0, 4_102_444_800_000))
def test_an_instant_reads_back(unix_ms: int) -> None:
    text = write_ms(unix_ms)
    assert len(text) == 24
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    assert since.total_seconds() * 1000 == pytest.approx(unix_ms, abs=0.1)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (5, "5"), (12.5, "12.5"), ("<&", "&lt;&amp;"), ("\0", "\ufffd")],
)
def test_xml_values(value: Value, text: str) -> None:
    assert f"<a>{text}</a></root>".encode() in write_element("root", [("a", value)])
