"""The services of a cluster, on one page.

Owns their names and ports. Must never start anything.
"""

import importlib.util
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace


class Service(Struct, frozen=True, kw_only=True):
    """One service. Shape: port 0 = it has no public port."""

    name: str
    port: int
    ops_port: int

    def at_offset(self, offset: int) -> "Service":
        """The same service on ports moved by the offset."""
        return replace(self, port=self.port + offset if self.port else 0, ops_port=self.ops_port + offset)


_ALL = (
    Service(name="rtb", port=8001, ops_port=9001),
    Service(name="data", port=8002, ops_port=9002),
    Service(name="control", port=8003, ops_port=9003),
    Service(name="calls", port=8004, ops_port=9004),
    Service(name="console", port=8005, ops_port=9005),
    Service(name="worker", port=0, ops_port=9006),
)


def _is_there(name: str) -> bool:
    found = importlib.util.find_spec(f"services.{name}")
    return found is not None and importlib.util.find_spec(f"services.{name}.__main__") is not None


SERVICES: Mapping[str, Service] = {service.name: service for service in _ALL if _is_there(service.name)}
