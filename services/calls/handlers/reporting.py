"""What a switch reports of a call: kept once, whatever the order, and answered with what is next.

Owns the beats of a report. Must never lose one that it has answered: while Postgres is away they wait in memory, bounded.
"""

from collections import deque

from msgspec.structs import replace

from services.calls.handlers.desk import ATTEMPTS, Desk, Scene
from services.calls.handlers.routing import Routing
from shared.domain.call_events import CallOver, LegNews, Report, after
from shared.domain.reasons import Reason
from shared.domain.switching.nouns import CallEnded, FallBack, LegEvent, Look, Refused, Step
from shared.domain.switching.steps import without_postgres
from shared.errors import Unavailable
from shared.metrics import SWITCH_REPORTS
from shared.stores.calls import find_opened
from shared.stores.hot_calls import HotCalls
from shared.stores.placing import Moved, save_report

_MOST_OWED = 10_000
Reported = LegEvent | CallEnded


class Reporting:
    """Takes reports. Errors: none of Postgres: a report that cannot be kept now is owed."""

    def __init__(self, desk: Desk, hot: HotCalls, *, routing: Routing) -> None:
        self._desk = desk
        self._hot = hot
        self._routing = routing
        self._owed: deque[tuple[int, Reported]] = deque(maxlen=_MOST_OWED)

    async def take(self, company_id: int, event: Reported | Look, *, fallback: FallBack) -> Step | Refused:
        """Keep a report and say what is next."""
        try:
            if isinstance(event, Look):
                scene = await self._scene(company_id, event)
            else:
                scene = await self.note(company_id, event)
            return scene if isinstance(scene, Refused) else await self._routing.next_step(scene)
        except Unavailable:
            return without_postgres(event, fallback)

    async def note(self, company_id: int, event: Reported) -> Scene | Refused:
        """Keep a report. Errors: Unavailable: it is owed then, and kept later."""
        event = replace(event, at_ms=event.at_ms or self._desk.clock.now_ms())
        try:
            return await self._kept(company_id, event)
        except Unavailable:
            self._owed.append((company_id, event))
            SWITCH_REPORTS.add("owed")
            raise

    async def catch_up(self) -> None:
        """Keep what is owed, oldest first. Errors: Unavailable: the rest stays owed."""
        while self._owed:
            owed = self._owed.popleft()
            try:
                await self._kept(*owed)
            except Unavailable:
                self._owed.appendleft(owed)
                raise

    async def keep(self, scene: Scene, report: Report) -> Scene | None:
        """Write a report into a call as it was loaded; None when the call has changed since."""
        state = after(scene.state, report)
        if state == scene.state:
            SWITCH_REPORTS.add("known")
            return scene
        books, plan = self._desk.books(scene.evaluation), scene.evaluation.plan
        written = await save_report(
            self._desk.pools.postgres, scene.state, after=state, plan=plan, books=books
        )
        if isinstance(written, Moved):
            return None
        SWITCH_REPORTS.add("kept")
        await self._hot.tell(plan, written.state.call, mirror_texts=written.mirror)
        return Scene(state=written.state, evaluation=scene.evaluation)

    async def _kept(self, company_id: int, event: Reported) -> Scene | Refused:
        for _ in range(ATTEMPTS):
            scene = await self._scene(company_id, event)
            if isinstance(scene, Refused):
                return scene
            kept = await self.keep(scene, _report(event))
            if kept is not None:
                return kept
        raise Unavailable("call")

    async def _scene(self, company_id: int, event: Reported | Look) -> Scene | Refused:
        """The call that is meant; one of another switch's credential is none."""
        uuid = event.call_uuid
        if isinstance(event, CallEnded) and not uuid:
            uuid = await find_opened(
                self._desk.pools.postgres,
                company_id,
                provider=event.provider,
                provider_call_id=event.provider_call_id,
            )
        scene = await self._desk.scene(company_id, uuid)
        if scene is None or scene.state.call.provider != event.provider:
            return Refused(reason=Reason.CALL_NOT_FOUND)
        return scene


def _report(event: Reported) -> Report:
    if isinstance(event, LegEvent):
        return LegNews(
            leg_uuid=event.leg_uuid, news=event.news, at_ms=event.at_ms, connected_s=event.connected_s
        )
    return CallOver(
        at_ms=event.at_ms,
        total_s=event.total_s,
        connected_s=event.connected_s,
        hung_up_by=event.hung_up_by,
        recording_url=event.recording_url,
    )
