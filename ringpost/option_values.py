"""Values of options that several commands read.

Owns what is said of a wrong one. Must never read a setting.
"""

from shared.domain.phone import read_e164
from shared.errors import OperatorError


def read_number(text: str, option: str) -> str:
    """A phone number in E.164. Errors: OperatorError names the option, not the number."""
    number = read_e164(text)
    if number is None:
        raise OperatorError(f"{option} is not a possible phone number")
    return number
