"""Calls whose switch has gone quiet: a phone that rings too long, an end that leaves a leg open, a call without any news.

Owns the rhythm of looking for them, and what is assumed of each. Must never assume anything of a call that may still report.
"""

import asyncio

from services.calls.handlers.desk import Desk
from services.calls.handlers.reporting import Reporting
from services.calls.handlers.routing import Routing
from services.calls.rules.overdue import overdue_reports
from shared.errors import Unavailable
from shared.logs import get_logger
from shared.metrics import CALLS_OVERDUE
from shared.stores.calls_overdue import find_overdue
from shared.telling import Telling

_LOG = get_logger()
_PAUSE_S = 1.0


class Overdue:
    """Looks once a second. Units: idle_s without any news end a call."""

    def __init__(
        self, desk: Desk, *, reporting: Reporting, routing: Routing, telling: Telling, idle_s: int
    ) -> None:
        self._desk = desk
        self._reporting = reporting
        self._routing = routing
        self._telling = telling
        self._idle_s = idle_s

    async def run(self) -> None:
        """Look until cancelled; while Postgres is away, later."""
        away = False
        while True:
            try:
                await self._reporting.catch_up()
                await self._look()
                away = False
            except Unavailable:
                if not away:
                    _LOG.warning("calls_wait")
                away = True
            await asyncio.sleep(_PAUSE_S)

    async def _look(self) -> None:
        found = await find_overdue(self._desk.pools.postgres, idle_s=self._idle_s)
        for company_id, call_uuid, is_idle in found:
            await self._settle(company_id, call_uuid, is_idle=is_idle)

    async def _settle(self, company_id: int, call_uuid: str, *, is_idle: bool) -> None:
        """Assume what must be, and tell the switch who is next. A call that has changed meanwhile is looked at again later."""
        scene = await self._desk.scene(company_id, call_uuid)
        if scene is None:
            return
        assumed, now_ms = scene, self._desk.clock.now_ms()
        for report in overdue_reports(scene.state, now_ms=now_ms, is_idle=is_idle):
            kept = await self._reporting.keep(assumed, report)
            if kept is None:
                return
            assumed = kept
        if assumed is scene:  # another worker was quicker
            return
        CALLS_OVERDUE.add()
        if not assumed.state.call.ended_ms:
            await self._telling.tell(assumed.state.call, await self._routing.next_step(assumed))
