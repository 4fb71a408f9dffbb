"""The services of a cluster, on one page.

Owns their names, ports and what each may know. Must never start anything.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

KEY_ENCRYPTION_KEY = "RINGPOST_KEY_ENCRYPTION_KEY"
LAUNCHER_ONLY = frozenset({"RINGPOST_HOME", "RINGPOST_ENGINES"})


class Service(Struct, frozen=True, kw_only=True):
    """One service. Shape: port 0 = it has no public port; withheld = settings it must never see."""

    name: str
    port: int
    ops_port: int
    withheld: tuple[str, ...] = (KEY_ENCRYPTION_KEY,)

    def at_offset(self, offset: int) -> "Service":
        """The same service on ports moved by the offset."""
        return replace(self, port=self.port + offset if self.port else 0, ops_port=self.ops_port + offset)

    def settings_from(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What the service is given of an environment."""
        kept_back = LAUNCHER_ONLY.union(self.withheld, (f"{name}_FILE" for name in self.withheld))
        return {name: value for name, value in environment.items() if name not in kept_back}


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service(name="rtb", port=8001, ops_port=9001),
        Service(name="worker", port=0, ops_port=9006),
    )
}
