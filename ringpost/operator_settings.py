"""Settings that operator commands read one by one.

Owns the lookup by value or by file. Must never print what it found.
"""

from collections.abc import Mapping
from pathlib import Path

from shared.errors import OperatorError


def required(environment: Mapping[str, str], name: str) -> str:
    """The setting's value, or the content of the file that NAME_FILE names.

    Errors: OperatorError when neither is given, or the file cannot be read.
    """
    if value := environment.get(name):
        return value
    file_name = environment.get(f"{name}_FILE")
    if not file_name:
        raise OperatorError(f"{name} is not set, and no cluster of `ringpost up` was found here")
    try:
        return Path(file_name).read_text(encoding="utf-8").strip()
    except OSError:
        raise OperatorError(f"{name}_FILE: the file cannot be read") from None
