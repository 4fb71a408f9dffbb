"""Uploads as they come: in any pieces, the same rows and fields."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.reasons import Reason
from shared.domain.upload_body import FormUpload, JsonUpload, UploadBody
from shared.domain.upload_rows import Cutter, RejectedRow, read_rows

FORM = (
    b'--xx\r\nContent-Disposition: form-data; name="caller_list_upload[action]"\r\n\r\ndelete\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="file"; filename="n.csv"\r\nContent-Type: text/csv\r\n\r\n'
    b"2125551001,\xc3\xa4\r\n2125551002\r\n--xx--\r\n"
)


def fed(body: UploadBody, sent: bytes, size: int) -> str:
    """The rows of a body in pieces of a size."""
    return "".join(body.feed(sent[start : start + size]) for start in range(0, len(sent), size))


def whole(body: UploadBody, sent: bytes) -> Mapping[str, str]:
    """The fields of a body that came to its end."""
    fed(body, sent, 1_000)
    return body.end()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_a_form_is_read_in_any_pieces(size: int) -> None:
    body = FormUpload(' boundary="xx"')
    assert fed(body, FORM, size) == "2125551001,ä\r\n2125551002\n"
    assert body.end() == {"action": "delete", "numbers": ""}


@given(
    numbers=st.text(st.sampled_from('12\n",\\äß😀\t'), max_size=60),
    size=st.integers(1, 40),
    before=st.booleans(),
    nested=st.booleans(),
    ascii_only=st.booleans(),
)
def test_json_is_read_in_any_pieces(
    numbers: str, size: int, before: bool, nested: bool, ascii_only: bool
) -> None:
    fields = {"action": "delete", "clear_before_upload": False}
    told = {**fields, "numbers": numbers} if before else {"numbers": numbers, **fields}
    sent = json.dumps({"caller_list_upload": told} if nested else told, ensure_ascii=ascii_only).encode()
    body = JsonUpload()
    assert fed(body, sent, size) == numbers
    assert body.end() == {"action": "delete", "clear_before_upload": "false", "numbers": ""}


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b"[]",
        b'{"numbers":"1',
        b'{"numbers":"1"',
        b'{"numbers":"1"}}',
        b'{"numbers":"\\x"}',
        b"x" * 70_000,
    ],
)
def test_json_that_cannot_be_read(sent: bytes) -> None:
    body = JsonUpload()
    with pytest.raises(ValueError):  # noqa: PT011 - whatever its text
        whole(body, sent)


def test_json_without_a_text_of_numbers_has_none() -> None:
    body = JsonUpload()
    assert fed(body, b'{"caller_list_upload":{"numbers":["1"],"action":null}}', 5) == ""
    assert body.end() == {}


@pytest.mark.parametrize(
    "sent", [b"", b"--xx\r\n", FORM[:-6], b"--xx\r\n\r\n1\r\n--xx--", b"--xx" + b"a" * 2_000]
)
def test_a_form_that_cannot_be_read(sent: bytes) -> None:
    body = FormUpload("boundary=xx")
    with pytest.raises(ValueError):  # noqa: PT011 - whatever its text
        whole(body, sent)


def test_a_form_needs_a_boundary() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever its text
        FormUpload("charset=utf-8")


def test_rows_are_numbers_or_rejected_by_their_place() -> None:
    rows = read_rows('\ufeff2125551001\r\n\n"+442079460003",x\nabc\n12125551001\n442079460003', first_row=10)
    assert rows.numbers == ("+12125551001", "+442079460003")
    invalid = Reason.CALLER_NUMBER_INVALID
    assert rows.rejected == (RejectedRow(row=13, reason=invalid), RejectedRow(row=15, reason=invalid))
    assert rows.read == 5


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12_000), st.integers(1_000, 200_000))
def test_chunks_are_whole_rows_and_together_the_text(rows: int, size: int) -> None:
    text = "".join(f"+1212555{row:05d}\n" for row in range(rows))
    cutter = Cutter()
    chunks = [each for at in range(0, len(text), size) for each in cutter.feed(text[at : at + size])]
    chunks += cutter.end()
    assert "".join(chunk.text for chunk in chunks) == text
    row = 1
    for position, chunk in enumerate(chunks):
        assert (chunk.position, chunk.first_row) == (position, row)
        assert chunk.text.endswith("\n")
        row += chunk.text.count("\n")


def test_a_row_without_end_is_cut() -> None:
    cutter = Cutter()
    chunks = [*cutter.feed("9" * 200_000), *cutter.end()]
    assert max(len(chunk.text) for chunk in chunks) <= 65_536
    assert {chunk.first_row for chunk in chunks} == {1}
