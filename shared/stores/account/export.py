"""A stored account as the text of a file that describes it.

Owns the writing of YAML. Must never hold a token: keys are matched by their names when such a file is applied.
"""

from decimal import Decimal
from typing import Any

import yaml

from shared.domain.account.writing import write_account
from shared.errors import OperatorError
from shared.stores import audit
from shared.stores.account.loading import load_standing
from shared.stores.postgres import Connection

_WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Plain values, with money as it is."""


def _amount(dumper: yaml.SafeDumper, amount: Decimal) -> yaml.Node:
    """Money with its decimals: two at least, or it would read as a whole number."""
    text = f"{amount:f}" if amount.as_tuple().exponent in {-3, -4} else f"{amount:.2f}"
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(Decimal, _amount)


async def export_account(connection: Connection, name: str, *, actor: str) -> str:
    """A company's account file, without the numbers on its caller lists; leaves an audit row.

    Errors: OperatorError when there is no such company.
    """
    standing = await load_standing(connection, name)
    if standing.account is None:
        raise OperatorError(f"there is no company {name}")
    deed = audit.Deed(action="export", entity="account", entity_id=standing.company_id)
    await audit.append(connection, standing.company_id, actor=actor, deeds=[deed])
    return write_text(write_account(standing.account))


def write_text(tree: dict[str, Any]) -> str:
    """A tree as YAML. Shape: texts that could be read as something else are quoted."""
    text: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text
