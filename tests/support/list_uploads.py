"""Uploads of caller lists, stored as the control service stores them, without it.

Owns the storing of a body. Must never apply a row.
"""

from shared.domain.lists import CallerList
from shared.domain.upload_rows import Cutter
from shared.stores import list_uploads as uploads
from shared.stores.list_uploads import Upload
from tests.support.account_store import AccountStore


async def upload(
    store: AccountStore,
    to: CallerList,
    text: str,
    *,
    turn: int = 1,
    action: str = "create",
    clear: bool = False,
) -> str:
    """Store a body; the upload's id."""
    upload_id = f"0199c82c-c000-7005-8000-{turn:012d}"
    await uploads.open_upload(store.postgres, to, upload_id=upload_id, key_id=1)
    cutter = Cutter()
    for chunk in (*cutter.feed(text), *cutter.end()):
        await uploads.save_chunk(store.postgres, upload_id, chunk=chunk)
    wish = Upload(id=upload_id, status="Processing", action=action, clear_before_upload=clear)
    await uploads.begin_upload(store.postgres, wish)
    return upload_id


async def done(store: AccountStore, to: CallerList, upload_id: str) -> Upload:
    """How far it has got."""
    found = await uploads.find_upload(store.postgres, to, upload_id=upload_id)
    assert found is not None
    return found
