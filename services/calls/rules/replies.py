"""What the answer of a start webhook says of its caller.

Owns the reading of an answer into tags. Must never let a receiver set what is ours.
"""

from shared.domain.parameters import root_scalars
from shared.domain.routing.profile import kept_texts


def reply_tags(body: bytes) -> dict[str, str]:
    """The root fields of a JSON object as tags; of anything else, nothing. Shape: what cannot be a tag is left out."""
    return kept_texts(root_scalars(body), "")
