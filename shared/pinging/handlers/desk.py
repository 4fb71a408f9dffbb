"""The desk that every ping passes: who pings into what?

Owns the gathering of key, publisher and campaign from memory, and what is loaded when they are not there. Must never judge
a candidate.
"""

from msgspec import Struct
from msgspec.structs import replace

from shared.domain.keys import Key, Kind, Level, RtbSettings
from shared.domain.plan import Publisher
from shared.domain.reasons import Reason
from shared.domain.routing.evaluation import Evaluation
from shared.pinging.rules.admission import caller_refusal, campaign_of, number_refusal, publisher_of
from shared.pinging.rules.nouns import Ping, Refused
from shared.stores.config_cache import CompiledPlan
from shared.stores.keyring import AGAIN, Again, Denied, Keyring

# The loads of what was cold (key, company, plan), the run itself, two reruns for a newer config or time, one for stored tags.
ATTEMPTS = 7


class Scene(Struct, frozen=True, kw_only=True, gc=False):
    """Who pings into what, admitted."""

    key: Key
    settings: RtbSettings
    publisher: Publisher
    campaign: CompiledPlan[Evaluation]
    version: int


class Desk:
    """Admits requests with keys of one kind. Errors: Unavailable when key, plan or config version cannot be read."""

    def __init__(self, keyring: Keyring[Evaluation], kind: Kind) -> None:
        self._keyring = keyring
        self._kind = kind
        self._config = keyring.config

    async def key(self, token: str, client: str) -> Key | Refused | Again:
        """A key that may ping, in memory. Cost: nothing when hot; a version read before a refusal."""
        key = await self._keyring.key(token, self._kind, client=client)
        return Refused(reason=key.reason, key_id=key.key_id) if isinstance(key, Denied) else key

    async def admit(self, ping: Ping, client: str) -> Scene | Refused | Again:
        """The scene of a ping, or why there is none. Cost: nothing when hot; a version read before a refusal."""
        key = self._keyring.usable(ping.token, self._kind) or await self.key(ping.token, client)
        if not isinstance(key, Key):
            return key
        version = self._config.version(key.company_id)
        scene = self._scene(ping, key, version=version)
        if isinstance(scene, int):
            return await self._load(key, scene)
        if isinstance(scene, Refused):
            current = await self._keyring.is_current(key, version)
            return replace(scene, key_id=key.id) if current else AGAIN
        return scene

    def _scene(self, ping: Ping, key: Key, *, version: int) -> Scene | Refused | int:
        """The scene as far as memory knows; the id of the campaign that it lacks, 0 for the company."""
        settings = key.settings
        assert isinstance(settings, RtbSettings)
        campaign_id: int | Refused = key.entity_id
        if key.level is not Level.CAMPAIGN:
            campaign_id = self._campaign_id(ping, key, settings=settings)
        if isinstance(campaign_id, Refused):
            return campaign_id
        campaign = self._config.known_plan(key.company_id, campaign_id)
        if campaign is None:
            return campaign_id
        publisher = publisher_of(ping, key, settings=settings, company=campaign.plan.company)
        if isinstance(publisher, Refused):
            return publisher
        refused = caller_refusal(ping, settings) or number_refusal(ping, settings, plan=campaign.plan)
        return refused or Scene(
            key=key, settings=settings, publisher=publisher, campaign=campaign, version=version
        )

    def _campaign_id(self, ping: Ping, key: Key, *, settings: RtbSettings) -> int | Refused:
        """A publisher's key: first who pings, then into what."""
        company = self._config.known_company(key.company_id)
        if company is None:
            return 0
        publisher = publisher_of(ping, key, settings=settings, company=company)
        return publisher if isinstance(publisher, Refused) else campaign_of(ping, settings, company=company)

    async def _load(self, key: Key, campaign_id: int) -> Refused | Again:
        """Bring a company, or one of its plans, into memory. Cost: one snapshot; a version read before a refusal."""
        config, company_id, version = self._config, key.company_id, self._config.version(key.company_id)
        found = await (config.plan(company_id, campaign_id) if campaign_id else config.company(company_id))
        if found is not None or not await self._keyring.is_current(key, version):
            return AGAIN
        return Refused(reason=Reason.CAMPAIGN_UNKNOWN, key_id=key.id)
