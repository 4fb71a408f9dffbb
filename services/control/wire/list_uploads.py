"""Uploads of numbers, and how far they have got.

Owns their parameter names and shapes. Must never see a row.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from shared.domain.http import HttpAnswer, HttpRequest
from shared.domain.reasons import Reason
from shared.domain.upload_body import FormUpload, JsonUpload, UploadBody
from shared.domain.uuid7 import is_uuid7

_TRUTH = {"true": True, "1": True, "": False, "false": False, "0": False}
_encode = msgspec.json.Encoder().encode


class Wish(Struct, frozen=True, kw_only=True):
    """What shall be done with the rows."""

    action: str
    clear: bool


def read_encoding(request: HttpRequest) -> UploadBody | Reason:
    """How the body is to be read."""
    kind, _, options = request.headers.get("Content-Type", "").partition(";")
    try:
        is_form = kind.strip().lower() == "multipart/form-data"
        return FormUpload(options) if is_form else JsonUpload()
    except ValueError:
        return Reason.BAD_REQUEST


def read_wish(fields: Mapping[str, str]) -> Wish | Reason:
    """What the fields beside the rows say."""
    action, clear = fields.get("action") or "create", _TRUTH.get(fields.get("clear_before_upload", ""))
    sound = action == "create" or (action == "delete" and not clear)
    if "numbers" not in fields or clear is None or not sound:
        return Reason.VALUE_INVALID
    return Wish(action=action, clear=clear)


def read_upload_id(params: Mapping[str, str]) -> str | Reason:
    """The upload that the path names."""
    return params["upload"] if is_uuid7(params["upload"]) else Reason.NOT_FOUND


def write_upload(told: Mapping[str, Any], *, status: int = 200) -> HttpAnswer:
    """An upload's progress."""
    return HttpAnswer(status=status, body=_encode({"caller_list_upload": told}), outcome="done")
