"""A body that names its fields under a noun, as a form would say it: `{"a": {"b": 1}}` is `a[b]=1`.

Owns that one rewriting. Must never refuse a body: whoever reads it afterwards says what is wrong.
"""

import msgspec
from msgspec import Raw

_BOM = b"\xef\xbb\xbf"
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


def flat(body: bytes) -> bytes:
    """The same body with objects of its root spread out; anything but a JSON object as it is."""
    try:
        fields = _decode_object(body.removeprefix(_BOM))
        spread: dict[str, Raw] = {}
        for name, value in fields.items():
            if bytes(value).startswith(b"{"):
                spread |= {f"{name}[{inner}]": each for inner, each in _decode_object(value).items()}
            else:
                spread[name] = value
    except (ValueError, RecursionError):
        return body
    return _encode(spread)
