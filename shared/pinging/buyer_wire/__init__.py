"""What a buyer is sent and what its answer means, as plain values.

Owns every word that is spoken with buyers. Must never send anything, nor decide who gets the caller: shared/pinging/buyers and
the ranking do.
Source: rtb.md, downstream pings.
"""

from shared.pinging.buyer_wire.nouns import Bid, Facts, NoBid, Secrets, Why
from shared.pinging.buyer_wire.replies import read_post, read_reply
from shared.pinging.buyer_wire.requests import write_ask, write_post

__all__ = ["Bid", "Facts", "NoBid", "Secrets", "Why", "read_post", "read_reply", "write_ask", "write_post"]
