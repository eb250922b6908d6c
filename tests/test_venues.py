"""From settings to venues and log-ins: what is configured, where it goes, who is let in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import structlog

from fortified.adapters.schwab.auth import REFRESH_LIFE_NS
from fortified.adapters.schwab.data_source import SchwabDataSource
from fortified.adapters.tastytrade.data_source import TastyTradeDataSource
from fortified.bootstrap_logins import BEGUN_S, Logins
from fortified.bootstrap_venues import Venues, open_venues, schwab_connection, schwab_keys, tastytrade_keys
from fortified.clock import SystemClock
from fortified.domain.errors import ConfigError, NotFound, Refused
from fortified.domain.instrument import get_instrument
from fortified.ports.venue_access import AccessState, LoginPage
from fortified.settings import Settings
from fortified.simulators.feed import ManualClock
from fortified.simulators.server import SCHWAB, Simulation
from fortified.storage.tokens import MemoryTokens

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000 * 10**9
TASTY = {"tasty_client_secret": "hunter2", "tasty_refresh_token": "hunter2", "tasty_account_id": "5WT00001"}
SCHWAB_APP = {"schwab_client_id": "app", "schwab_client_secret": "hunter2"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def settings(**values: object) -> Settings:
    """Nothing but these."""
    return Settings(_env_file=None, **values)  # type: ignore[call-arg,arg-type]  # pydantic validates them


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@asynccontextmanager
async def venues_of(configured: Settings) -> AsyncIterator[Venues]:
    async with open_venues(configured, SystemClock(), "1.0", MemoryTokens()) as venues:
        yield venues


# --- what is configured ---


async def test_without_credentials_there_is_nothing_and_it_says_why() -> None:
    async with venues_of(settings()) as venues:
        assert (venues.live, venues.source, await venues.refusals()) == ({}, None, [])
        assert "TASTY_CLIENT_SECRET and TASTY_REFRESH_TOKEN" in venues.missing["tastytrade"]
        assert "SCHWAB_CLIENT_ID and SCHWAB_CLIENT_SECRET" in venues.missing["schwab"]


async def test_an_incomplete_configuration_names_what_is_missing_and_the_other_venue_works() -> None:
    async with venues_of(settings(tasty_client_secret="hunter2", **SCHWAB_APP)) as venues:
        assert list(venues.live) == ["schwab"]
        assert venues.missing == {"tastytrade": "TastyTrade is not configured: set TASTY_REFRESH_TOKEN; docs/live.md leads through it"}
    async with venues_of(settings(tasty_client_secret="hunter2", tasty_refresh_token="hunter2")) as venues:
        assert "TASTY_ACCOUNT_ID" in venues.missing["tastytrade"]


async def test_tastytrade_gives_the_data_of_everything_and_schwab_alone_that_of_shares() -> None:
    future, share = get_instrument("/NQ"), get_instrument("SPY")
    async with venues_of(settings(**TASTY, **SCHWAB_APP)) as venues:
        assert sorted(venues.live) == ["schwab", "tastytrade"]
        assert isinstance(venues.source_of(future), TastyTradeDataSource)
        assert venues.source_of(share) is venues.source_of(future)
    async with venues_of(settings(**SCHWAB_APP)) as venues:
        assert venues.source_of(future) is None
        assert isinstance(venues.source_of(share), SchwabDataSource)


def test_secrets_are_not_shown() -> None:
    configured = settings(**TASTY, **SCHWAB_APP)
    assert "hunter2" not in f"{tastytrade_keys(configured)!r} {schwab_keys(configured)!r} {configured!r}"


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({**TASTY, "tasty_api_url": "http://broker.example"}, "TASTY_API_URL='http://broker.example' would carry secrets in the clear"),
        ({**TASTY, "tasty_streamer_url": "ws://broker.example"}, "TASTY_STREAMER_URL"),
        ({**TASTY, "tasty_api_url": "broker"}, "is no address"),
        ({"fortified_brokers": "simulated", "tasty_api_url": "https://broker.example"}, "is not on this machine"),
    ],
)
async def test_secrets_go_in_the_clear_to_this_machine_only(values: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigError) as error:
        tastytrade_keys(settings(**values))
    assert word in str(error.value)
    async with venues_of(settings(**values)) as venues:
        assert "tastytrade" not in venues.live


async def test_simulated_brokers_are_on_their_fixed_ports_with_keys_of_their_own() -> None:
    simulated = settings(fortified_brokers="simulated")
    assert (simulated.key_prefix, simulated.has_broker, simulated.demo) == ("simulated:", True, False)
    assert (tastytrade_keys(simulated).api_url, tastytrade_keys(simulated).stream_url) == ("http://127.0.0.1:8101", "ws://127.0.0.1:8102")
    assert schwab_keys(simulated).api_url == schwab_keys(simulated).auth_url == "http://127.0.0.1:8111"
    assert schwab_keys(simulated).app.redirect_uri == "https://127.0.0.1:8182/callback"
    async with venues_of(simulated) as venues:
        assert (sorted(venues.live), venues.missing) == (["schwab", "tastytrade"], {})
    real = settings(**SCHWAB_APP)
    assert (real.key_prefix, schwab_keys(real).api_url) == ("", "https://api.schwabapi.com")
    assert schwab_keys(settings(**SCHWAB_APP, schwab_api_url="https://a.example")).auth_url == "https://a.example"


@pytest.mark.parametrize("name", ["tasty_client_secret", "tasty_refresh_token", "schwab_client_id", "schwab_client_secret"])
def test_simulated_brokers_are_never_mixed_with_real_credentials(name: str) -> None:
    with pytest.raises(ValueError, match=f"never mixed with real credentials; unset {name.upper()} or this"):
        settings(fortified_brokers="simulated", **{name: "hunter2"})


@pytest.mark.parametrize(("level", "refused"), [("api", False), ("demo", True)])
async def test_nothing_is_traded_on_data_that_is_not_live(level: str, refused: bool) -> None:
    async with Simulation(SystemClock()) as simulation:
        simulation.tastytrade.level = level
        urls = {"tasty_api_url": simulation.tastytrade_url, "tasty_streamer_url": simulation.tastytrade_streamer_url}
        async with venues_of(settings(fortified_brokers="simulated", **urls)) as venues:
            refusals = await venues.refusals()
            assert bool(refusals) is refused
            assert all("not live (level 'demo')" in text for text in refusals)
            await simulation.close()
            assert await venues.refusals() == refusals


# --- log-ins ---


@asynccontextmanager
async def logins() -> AsyncIterator[tuple[Simulation, ManualClock, Logins]]:
    clock = ManualClock(NOW)
    async with Simulation(clock, venues=(SCHWAB,)) as simulation:
        keys = schwab_keys(settings(fortified_brokers="simulated", schwab_api_url=simulation.schwab_url))
        connection = schwab_connection(keys, clock, "1.0", MemoryTokens(), simulated=True)

        async def check() -> tuple[str, ...]:
            return ("****6827",)

        try:
            yield simulation, clock, Logins(clock, schwab=connection, tastytrade=check, missing={})
        finally:
            await connection.close()


async def led_to(access: Logins) -> str:
    """The address of somebody who opens the page and agrees."""
    page = await access.begin("schwab")
    assert isinstance(page, LoginPage)
    async with httpx2.AsyncClient() as browser:
        return (await browser.get(page.url)).headers["location"]


async def state(access: Logins) -> AccessState:
    return (await access.states())[0]


async def test_a_log_in_lasts_seven_days_and_warns_before_it_ends() -> None:
    async with logins() as (_, clock, access):
        assert not (await state(access)).logged_in
        done = await access.finish("schwab", await led_to(access), begun=True)
        assert (done.logged_in, done.ts_login_expires, done.warnings) == (True, NOW + REFRESH_LIFE_NS, ())
        clock.advance(7 * 86_400 - 3_600)
        assert (await state(access)).warnings == (
            "Schwab's log-in expires in 1 h 0 min. Log in again with ./fortified login schwab, or on the brokers' page.",
        )
        assert (await access.refresh("schwab")).ts_login_expires == NOW + REFRESH_LIFE_NS
        clock.advance(3_600)
        assert not (await state(access)).logged_in


async def test_a_state_is_good_once_and_for_a_while() -> None:
    async with logins() as (_, clock, access):
        address = await led_to(access)
        await access.finish("schwab", address)
        with pytest.raises(ConfigError, match="is finished"):
            await access.finish("schwab", address)
        late = await led_to(access)
        clock.advance(BEGUN_S)
        with pytest.raises(ConfigError, match="older than 10 minutes"):
            await access.finish("schwab", late, begun=True)
        with pytest.raises(ConfigError, match="not begun here"):
            await access.finish("schwab", "?code=C0.something%40", begun=True)
        code = httpx2.URL(await led_to(access)).params["code"]
        assert (await access.finish("schwab", code)).logged_in


async def test_a_refresh_gets_new_access_by_the_keeper_alone() -> None:
    async with logins() as (_, _, access):
        await access.finish("schwab", await led_to(access))
        assert access._schwab is not None
        before = access._schwab.keeper.tokens
        await access.refresh("schwab")
        after = access._schwab.keeper.tokens
        assert before is not None
        assert after is not None
        assert (before.access_token != after.access_token, before.refresh_token == after.refresh_token) == (True, True)


async def test_tastytrade_is_checked_and_strangers_are_not_known() -> None:
    async with logins() as (_, _, access):
        done = await access.begin("tastytrade")
        assert isinstance(done, AccessState)
        assert done.accounts == ("****6827",)
        with pytest.raises(Refused, match="TASTY_REFRESH_TOKEN"):
            await access.finish("tastytrade", "a code")
        with pytest.raises(NotFound, match="nope"):
            await access.begin("nope")
    missing = Logins(SystemClock(), schwab=None, tastytrade=None, missing={"schwab": "not configured", "tastytrade": "not configured"})
    assert [one.configured for one in await missing.states()] == [False, False]
    with pytest.raises(Refused, match="not configured"):
        await missing.refresh("schwab")


async def test_the_log_tells_once_of_each_warning() -> None:
    async with logins() as (_, clock, access):
        await access.finish("schwab", await led_to(access))
        with structlog.testing.capture_logs() as told:
            for hours in (100, 30, 1, 24, 11, 1):
                clock.advance(hours * 3_600)
                await access.warn()
                await access.warn()
        assert [entry["text"].split(". ")[0] for entry in told if entry["event"] == "log-in ends"] == [
            "Schwab's log-in expires in 1 d 14 h",
            "Schwab's log-in expires in 13 h 0 min",
            "Schwab's log-in expires in 2 h 0 min",
        ]
