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
from shared.pinging.store import PingStore
from shared.pinging.store.forms import Form, Terms
from shared.stores.config_cache import CompiledPlan
from shared.stores.keyring import AGAIN, Again, Denied, Keyring

# The loads of what was cold (key, company, plan), the run itself, two reruns for a newer config or time, one for stored tags.
ATTEMPTS = 7
_SCENES = 8_192

_Asked = tuple[str, str, str, str]


class Scene(Struct, frozen=True, kw_only=True, gc=False):
    """Who pings into what, admitted; and what the script is told of it each time."""

    key: Key
    settings: RtbSettings
    publisher: Publisher
    campaign: CompiledPlan[Evaluation]
    version: int
    form: Form


class Scenes:
    """The scenes of late, by what was asked. Each is true for its config version, whatever else is forgotten meanwhile.

    Shape: two generations; the older one goes when the younger is full.
    """

    __slots__ = ("_old", "_young")

    def __init__(self) -> None:
        self._young: dict[_Asked, Scene] = {}
        self._old: dict[_Asked, Scene] = {}

    def get(self, asked: _Asked) -> Scene | None:
        """The scene of the same question."""
        found = self._young.get(asked)
        if found is None:
            found = self._old.get(asked)
            if found is not None:
                self.put(asked, found)
        return found

    def put(self, asked: _Asked, scene: Scene) -> None:
        """Keep it."""
        if len(self._young) >= _SCENES:
            self._old, self._young = self._young, {}
        self._young[asked] = scene


class Desk:
    """Admits requests with keys of one kind. Errors: Unavailable when key, plan or config version cannot be read."""

    def __init__(self, keyring: Keyring[Evaluation], kind: Kind, *, store: PingStore) -> None:
        self._keyring = keyring
        self._kind = kind
        self._config = keyring.config
        self._store = store
        self._scenes = Scenes()

    async def key(self, token: str, client: str) -> Key | Refused | Again:
        """A key that may ping, in memory. Cost: nothing when hot; a version read before a refusal."""
        key = await self._keyring.key(token, self._kind, client=client)
        return Refused(reason=key.reason, key_id=key.key_id) if isinstance(key, Denied) else key

    def known(self, ping: Ping) -> Scene | None:
        """The scene of a ping whose like was admitted at the same config version; None says nothing: ask admit()."""
        if ping.caller_refused is not None or ping.number_refused:
            return None
        scene = self._scenes.get(_asked(ping))
        if scene is None or scene.version != self._config.version(scene.key.company_id):
            return None
        return scene

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
        self._scenes.put(_asked(ping), scene)
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
        if refused:
            return refused
        compiled = campaign.compiled.compiled
        terms = Terms(
            key=key,
            settings=settings,
            plan=campaign.plan,
            publisher_id=publisher.id,
            version=version,
            lists=compiled.ping_lists,
            listed=compiled.has_lists,
        )
        return Scene(
            key=key,
            settings=settings,
            publisher=publisher,
            campaign=campaign,
            version=version,
            form=self._store.form(terms),
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


def _asked(ping: Ping) -> _Asked:
    return ping.token, ping.publisher, ping.campaign, ping.inbound_number
