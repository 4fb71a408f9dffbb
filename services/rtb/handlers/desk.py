"""The desk that every request passes: whose key is this, and is what we know of it current?

Owns the gathering of key, company, publisher and campaign, and the version read that stands before a refusal. Must never
judge a candidate.
"""

from msgspec import Struct

from services.rtb.rules.admission import caller_refusal, campaign_of, number_refusal, publisher_of
from services.rtb.rules.nouns import Ping, Refused
from services.rtb.store import PingStore
from services.rtb.store.replies import ClockOff, Stale
from shared.clock import Clock
from shared.domain.keys import Key, Kind, Level, RtbSettings, authorize
from shared.domain.plan import Publisher
from shared.domain.reasons import Reason
from shared.domain.routing.evaluation import Evaluation
from shared.stores.clock_sampler import ClockSampler
from shared.stores.config_cache import CompiledPlan, ConfigCache
from shared.stores.key_lookup import KeyLookup

ATTEMPTS = 6


class Scene(Struct, frozen=True, kw_only=True, gc=False):
    """Who pings into what, admitted."""

    key: Key
    settings: RtbSettings
    publisher: Publisher
    campaign: CompiledPlan[Evaluation]
    version: int


class Again(Struct, frozen=True):
    """What was known was not current, or just came into memory: look again."""


AGAIN = Again()


class Desk:
    """Admits requests.

    Errors: Unavailable when the key, its plan or the config version cannot be read.
    """

    def __init__(
        self,
        keys: KeyLookup[Evaluation],
        config: ConfigCache[Evaluation],
        *,
        store: PingStore,
        clock: Clock,
        sampler: ClockSampler,
    ) -> None:
        self._keys = keys
        self._config = config
        self._store = store
        self._clock = clock
        self._sampler = sampler

    async def key(self, token: str, client: str) -> Key | Refused | Again:
        """A key that may ping, in memory. Cost: nothing when hot; a version read before a refusal."""
        key = self._keys.known(token)
        if key is None:
            if await self._keys.find(token, client) is not None:
                return AGAIN
            flooding = self._keys.flood.is_on(client, self._clock.now_ms())
            return Refused(reason=Reason.TOO_MANY_UNKNOWN_KEYS if flooding else Reason.KEY_UNKNOWN)
        reason = authorize(key, Kind.RTB)
        if reason is not None:
            return await self.refusal(Refused(reason=reason), key, self._config.version(key.company_id))
        return key

    async def admit(self, ping: Ping, client: str) -> Scene | Refused | Again:
        """The scene of a ping, or why there is none. Cost: nothing when hot."""
        key = await self.key(ping.token, client)
        if not isinstance(key, Key):
            return key
        version = self._config.version(key.company_id)
        scene = await self._scene(ping, key, version)
        return await self.refusal(scene, key, version) if isinstance(scene, Refused) else scene

    async def _scene(self, ping: Ping, key: Key, version: int) -> Scene | Refused:
        settings = key.settings
        assert isinstance(settings, RtbSettings)
        campaign = await self._campaign(ping, key, settings)
        if isinstance(campaign, Refused):
            return campaign
        publisher = publisher_of(ping, key, settings, campaign.plan.company)
        if isinstance(publisher, Refused):
            return publisher
        refused = caller_refusal(ping, settings) or number_refusal(ping, settings, campaign.plan)
        return refused or Scene(
            key=key, settings=settings, publisher=publisher, campaign=campaign, version=version
        )

    async def _campaign(
        self, ping: Ping, key: Key, settings: RtbSettings
    ) -> CompiledPlan[Evaluation] | Refused:
        """The plan that is pinged: a campaign's key names it, a publisher's key looks it up."""
        campaign_id = await self._campaign_id(ping, key, settings)
        if isinstance(campaign_id, Refused):
            return campaign_id
        campaign = await self._config.plan(key.company_id, campaign_id)
        return campaign or Refused(reason=Reason.CAMPAIGN_UNKNOWN)

    async def _campaign_id(self, ping: Ping, key: Key, settings: RtbSettings) -> int | Refused:
        if key.level is Level.CAMPAIGN:
            return key.entity_id
        company = await self._config.company(key.company_id)
        if company is None:
            return Refused(reason=Reason.KEY_UNKNOWN)
        return campaign_of(ping, key, settings, company)

    async def refusal(self, refused: Refused, key: Key, version: int) -> Refused | Again:
        """A refusal decided from memory, once no newer config is known. Cost: one round trip."""
        if await self._store.is_current(key.company_id, key.shard, version):
            return Refused(reason=refused.reason, text=refused.text, key_id=key.id)
        await self.refresh(key)
        return AGAIN

    async def catch_up(self, key: Key, why: Stale | ClockOff) -> Again:
        """Bring up to date what a script found out of date; nothing had been applied."""
        if isinstance(why, Stale):
            await self.refresh(key)
        else:
            await self._sampler.resync()
        return AGAIN

    async def refresh(self, key: Key) -> None:
        """Forget what has changed of the key's company."""
        await self._config.refresh(key.company_id)
