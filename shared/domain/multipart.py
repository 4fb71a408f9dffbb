"""Small fields of a multipart/form-data body.

Owns that one encoding. Must never read an uploaded file: those have an endpoint of their own.
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
    boundary = _BOUNDARY.search(options)
    if boundary is None:
        raise ValueError("no boundary")
    mark = f"\r\n--{boundary[1] or boundary[2]}".encode()
    _, *parts = (b"\r\n" + body).split(mark)
    if not parts or not parts[-1].startswith(b"--"):
        raise ValueError("no end")
    return [_read_field(part) for part in parts[:-1]]


def _read_field(part: bytes) -> tuple[str, str]:
    head, blank, value = part.partition(b"\r\n\r\n")
    headers = head.decode().strip()
    name = _NAME.search(headers)
    if not blank or name is None or _FILE.search(headers):
        raise ValueError("not a plain field")
    return name[1], value.decode()
