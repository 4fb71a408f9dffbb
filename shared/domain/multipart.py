"""Small fields of a multipart/form-data body, and the marks and heads of its parts.

Owns that one encoding. Must never read an uploaded file: shared/domain/upload_body.py does, as it comes.
"""

import re

_BOUNDARY = re.compile(r'(?:^|;)\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_ANY_CASE_LINE = re.IGNORECASE | re.MULTILINE
_NAME = re.compile(
    r'^content-disposition:\s*form-data\s*;(?:[^\r\n]*;)?\s*name="([^"\r\n]*)"', _ANY_CASE_LINE
)
_FILE = re.compile(r"^content-disposition:[^\r\n]*;\s*filename\*?=", _ANY_CASE_LINE)


def read_multipart(options: str, body: bytes) -> list[tuple[str, str]]:
    """The fields in the order sent; options is what follows `multipart/form-data;` in the content type.

    Errors: ValueError for a missing boundary, a missing end, an uploaded file and anything that is not UTF-8.
    """
    mark = b"\r\n--" + read_boundary(options)
    _, *parts = (b"\r\n" + body).split(mark)
    if not parts or not parts[-1].startswith(b"--"):
        raise ValueError("no end")
    return [_read_field(part) for part in parts[:-1]]


def read_boundary(options: str) -> bytes:
    """What stands between the parts. Errors: ValueError when it is missing."""
    boundary = _BOUNDARY.search(options)
    if boundary is None:
        raise ValueError("no boundary")
    return (boundary[1] or boundary[2]).encode()


def read_part_head(head: bytes) -> tuple[str, bool]:
    """A part's name, and whether it is a file. Errors: ValueError when it has no name or is not UTF-8."""
    headers = head.decode().strip()
    name = _NAME.search(headers)
    if name is None:
        raise ValueError("no name")
    return name[1], _FILE.search(headers) is not None


def _read_field(part: bytes) -> tuple[str, str]:
    head, blank, value = part.partition(b"\r\n\r\n")
    name, is_file = read_part_head(head)
    if not blank or is_file:
        raise ValueError("not a plain field")
    return name, value.decode()
