"""Whether a database still needs the demo account.

Owns that one question. Must never write.
"""

import asyncpg

_HAS_COMPANIES = "SELECT EXISTS (SELECT FROM companies)"


async def has_companies(dsn: str) -> bool:
    """Whether any account was ever loaded: then it is the operator's, and the demo stays out."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return bool(await connection.fetchval(_HAS_COMPANIES))
    finally:
        await connection.close()
