"""The worker, put together.

Owns the wiring: opens pools, builds jobs, starts and stops them. The only room that reads settings.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from services.worker.crew import Crew, Job
from services.worker.deliver import BacklogJob, Bulkhead, DeliverJob
from services.worker.drain import DrainJob
from services.worker.expire import ExpireJob
from services.worker.holds import SWEEP, HoldsJob
from services.worker.hot_sync import HotSyncJob
from services.worker.list_expiry import ListExpiryJob
from services.worker.list_upload import ListUploadJob
from services.worker.list_widening import ListWideningJob
from services.worker.mirror import MirrorJob
from services.worker.partitions import PartitionsJob, RetentionJob
from services.worker.rebuild import RebuildJob
from services.worker.settings import WorkerSettings
from services.worker.skew import SkewJob
from services.worker.tag_expiry import TagExpiryJob
from shared.clock import Clock
from shared.courier import Courier
from shared.http_routes import Route
from shared.outbound import Outbound
from shared.pools import Pools
from shared.service_run import Service
from shared.stores import partitions
from shared.stores.drain import Drain
from shared.stores.events import TRIM, Streams
from shared.stores.finishes import FINISHED
from shared.stores.hot_tags import TAGS
from shared.stores.mirror import MIRROR
from shared.stores.rebuild import Rebuild
from shared.stores.rebuild_writes import SCRIPTS
from shared.stores.redis_link import Limits

_PATIENT = Limits(deadline_ms=2_000, silence_ms=5_000, waiting=4_096)


class WorkerApp:
    """Pools and jobs of one process."""

    routes: Sequence[Route] = ()

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings

    async def start(self) -> None:
        """Open the pools, start the jobs. Errors: OperatorError when a store cannot be used."""
        self._pools = await Pools.open(
            self._settings,
            name="worker",
            scripts=(TRIM, SWEEP, MIRROR, TAGS, FINISHED, *SCRIPTS),
            limits=_PATIENT,
        )
        clock = self._pools.clock
        try:
            async with self._pools.postgres.transaction() as connection:
                await partitions.ensure(connection, datetime.fromtimestamp(clock.now_ms() / 1000, UTC))
        except BaseException:
            await self._pools.close()
            raise
        self._holds = HoldsJob(self._pools.redis)
        self._outbound = Outbound.open(self._settings.outbound_allowed_networks)
        self._deliver = self._deliver_job(clock)
        self._crew = Crew(self._jobs(clock))
        self._crew.start()

    def _deliver_job(self, clock: Clock) -> DeliverJob:
        settings = self._settings
        return DeliverJob(
            self._pools.postgres,
            Courier(self._outbound, clock, pepper=settings.pepper.reveal().encode()),
            bulkhead=Bulkhead(at_once=settings.deliveries_at_once, per_host=settings.deliveries_per_host),
        )

    def _jobs(self, clock: Clock) -> list[Job]:
        settings, postgres, redis = self._settings, self._pools.postgres, self._pools.redis
        streams = Streams(redis)
        return [
            DrainJob(Drain(postgres, streams), streams, clock=clock, batch=settings.drain_batch),
            self._holds,
            RebuildJob(Rebuild(postgres, redis, clock=clock), self._holds),
            HotSyncJob(postgres, redis),
            ListExpiryJob(postgres, redis),
            ListUploadJob(postgres, redis),
            ListWideningJob(postgres, redis),
            TagExpiryJob(postgres),
            MirrorJob(postgres, redis),
            ExpireJob(postgres, redis, clock=clock),
            PartitionsJob(postgres, clock),
            RetentionJob(
                postgres,
                clock,
                pings_days=settings.pings_kept_days,
                calls_months=settings.calls_kept_months,
            ),
            SkewJob(postgres, clock),
            self._deliver,
            BacklogJob(postgres),
        ]

    async def ready(self) -> bool:
        """The hot state can be served from: Redis is there and no shard waits for its rebuild."""
        warm = self._holds.looked and not self._holds.cold
        return self._pools.redis.connected and warm

    async def close(self) -> None:
        """Undo start, in reverse; a batch under way is finished, a delivery as far as the time allows."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._settings.drain_s
        await self._crew.stop(self._settings.drain_s)
        await self._deliver.close(max(0.0, end_s - loop.time()))
        await self._outbound.close()
        await self._pools.close()


SERVICE = Service(name="worker", settings=WorkerSettings, make_app=WorkerApp, public=False)
