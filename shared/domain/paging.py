"""Pages of long answers, from 1, and where the next one is.

Owns the number of a page and the Link header (RFC 8288). Must never be given an address that holds a key.
"""

A_PAGE = 25
_MOST_PAGES = 100_000


def read_page(text: str) -> int:
    """Which page is meant. Shape: what is no page is the first."""
    page = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1
    return min(max(page, 1), _MOST_PAGES)


def page_links(address: str, *, page: int, more: bool) -> tuple[tuple[str, str], ...]:
    """The header that leads on and back; none when there is but one page."""
    near = {"first": 1, "prev": page - 1} if page > 1 else {}
    near |= {"next": page + 1} if more else {}
    told = ", ".join(f'<{address}?page={number}>; rel="{rel}"' for rel, number in near.items())
    return (("Link", told),) if told else ()
