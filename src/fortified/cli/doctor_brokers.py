"""What `fortified doctor` finds out about brokers: log-in, account, market data, clock. Reads only, and kicks no server off its streams."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from email.utils import parsedate_to_datetime

from fortified.adapters.pacing import Pacer
from fortified.adapters.schwab.connection import SchwabConnection
from fortified.adapters.tastytrade.broker import TastyTradeBroker
from fortified.adapters.tastytrade.connection import tastytrade_broker
from fortified.adapters.tastytrade.data_source import DataOptions, TastyTradeDataSource
from fortified.adapters.transport import Accepted, BrokerTransport, Refused
from fortified.bootstrap import open_tokens, product_version
from fortified.bootstrap_logins import tastytrade_accounts
from fortified.bootstrap_venues import SchwabKeys, TastyTradeKeys, schwab_connection, schwab_keys, tastytrade_keys
from fortified.cli.findings import Finding
from fortified.clock import SystemClock
from fortified.domain.errors import ConfigError, FortifiedError
from fortified.domain.instrument import get_instrument
from fortified.settings import Settings

MOST_SKEW_S = 5.0
"""Orders at Schwab are known again by when they were entered."""
PROBED = "/ES"
PROBE_S = 8.0
_TASTY = ("tasty_client_id", "tasty_client_secret", "tasty_refresh_token", "tasty_account_id")
_SCHWAB = ("schwab_client_id", "schwab_client_secret")


async def examine_brokers(settings: Settings) -> list[Finding]:
    """All that can be seen of the configured brokers."""
    if settings.simulated:
        found = [Finding("brokers", "note", "simulated: live mode trades at `fortified simulate all`, without real money")]
    elif not settings.has_broker:
        found = [Finding("brokers", "note", "none configured; the server shows a synthetic demo market")]
    else:
        live = "live starts are allowed" if settings.allow_live else "live starts are refused: ALLOW_LIVE is false"
        found = [Finding("brokers", "ok", live)]
    if settings.simulated or _given(settings, _TASTY):
        found += [finding async for finding in _tastytrade(settings)]
    if settings.simulated or _given(settings, _SCHWAB):
        found += [finding async for finding in _schwab(settings)]
    return found


def _given(settings: Settings, names: Sequence[str]) -> bool:
    return any(getattr(settings, name) is not None for name in names)


# --- TastyTrade ---


async def _tastytrade(settings: Settings) -> AsyncIterator[Finding]:
    try:
        keys = tastytrade_keys(settings)
        accounts = await tastytrade_accounts(keys, SystemClock(), product_version())
    except FortifiedError as error:
        yield Finding("tastytrade log-in", "bad", str(error))
        return
    yield Finding("tastytrade log-in", "ok", f"the refresh grant works; accounts: {', '.join(accounts) or 'none'}")
    yield await _clock("tastytrade clock", keys.api_url)
    if keys.account is None:
        yield Finding("tastytrade account", "bad", "TASTY_ACCOUNT_ID is missing: set it to the whole number of one of them")
        return
    broker = _broker(keys, keys.account)
    try:
        yield await _tastytrade_account(broker)
        async for finding in _market_data(broker):
            yield finding
    finally:
        await broker.close()


def _broker(keys: TastyTradeKeys, account: str) -> TastyTradeBroker:
    """Not connected: requests only."""
    return tastytrade_broker(
        account,
        client_secret=keys.client_secret.get_secret_value(),
        refresh_token=keys.refresh_token.get_secret_value(),
        clock=SystemClock(),
        product_version=product_version(),
        api_url=keys.api_url,
        stream_url=keys.stream_url,
    )


async def _tastytrade_account(broker: TastyTradeBroker) -> Finding:
    try:
        standing = await broker.standing()
    except FortifiedError as error:
        return Finding("tastytrade account", "bad", str(error))
    return _standing("tastytrade account", standing.account_number, standing.obstacles, standing.warnings)


def _standing(check: str, number: str, obstacles: Sequence[str], warnings: Sequence[str]) -> Finding:
    state = "bad" if obstacles else "note" if warnings else "ok"
    return Finding(check, state, " ".join((f"{number}:", *(obstacles or warnings or ("nothing is restricted",)))))


async def _market_data(broker: TastyTradeBroker) -> AsyncIterator[Finding]:
    """Whether it is live, and whether it has every print."""
    try:
        token = await broker.quote_token()
    except FortifiedError as error:
        yield Finding("tastytrade market data", "bad", str(error))
        return
    if token.is_delayed:
        yield Finding(
            "tastytrade market data",
            "bad",
            f"not live (level {token.level!r}), so live starts are refused; complete the opening of the account at TastyTrade",
        )
    else:
        yield Finding("tastytrade market data", "ok", "live")
    source = TastyTradeDataSource(broker.quote_token, broker.streamer_symbol, SystemClock(), options=DataOptions(from_session_open=False))
    try:
        await source.subscribe(get_instrument(PROBED), None)
        yield await _prints(source)
    except FortifiedError as error:
        yield Finding("tastytrade prints", "bad", str(error))
    finally:
        await source.close()


async def _prints(source: TastyTradeDataSource) -> Finding:
    deadline = time.monotonic() + PROBE_S
    while (mode := source.health().symbols[0].mode) == "probing" and time.monotonic() < deadline:  # noqa: ASYNC110 - it sets no event
        await asyncio.sleep(0.1)
    if mode == "prints":
        return Finding("tastytrade prints", "ok", f"{PROBED} comes print by print: bars of trades are exact")
    if mode == "trades":
        text = f"{PROBED} comes as last trades only: bars of trades are approximate; ask TastyTrade for time and sales"
        return Finding("tastytrade prints", "note", text)
    return Finding("tastytrade prints", "note", f"nothing was traded in {PROBED} for {PROBE_S:g} s; look again while the market is open")


# --- Schwab ---


async def _schwab(settings: Settings) -> AsyncIterator[Finding]:
    try:
        keys = schwab_keys(settings)
    except ConfigError as error:
        yield Finding("schwab log-in", "bad", str(error))
        return
    yield await _clock("schwab clock", keys.api_url)
    try:
        async with open_tokens(settings) as tokens:
            connection = schwab_connection(keys, SystemClock(), product_version(), tokens)
            try:
                login = await _schwab_login(connection)
                yield login
                if login.state != "bad":
                    yield await _schwab_account(connection, keys)
            finally:
                await connection.close()
    except FortifiedError as error:
        yield Finding("schwab log-in", "bad", str(error))


async def _schwab_login(connection: SchwabConnection) -> Finding:
    expiry, now = await connection.expiry(), SystemClock().now_ns()
    if expiry is None or not expiry.left_ns(now):
        words = "nobody is logged in" if expiry is None else "the log-in has expired: it lasts seven days"
        return Finding("schwab log-in", "bad", f"{words}; ./fortified login schwab")
    warning = expiry.warning(now)
    return Finding("schwab log-in", "note" if warning else "ok", warning or f"good for {expiry.countdown(now)} more")


async def _schwab_account(connection: SchwabConnection, keys: SchwabKeys) -> Finding:
    check = "schwab account"
    try:
        found = await connection.client.account_numbers()
        wanted = None if keys.account is None else keys.account.replace("-", "")
        chosen = [one for one in found if wanted is None or one.account_number.replace("-", "") == wanted]
        if len(chosen) != 1:
            return Finding(check, "bad", f"the log-in has {len(found)} accounts; set SCHWAB_ACCOUNT_ID to the number of one of them")
        told = await connection.client.account(chosen[0].hash_value, positions=False)
    except FortifiedError as error:
        return Finding(check, "bad", str(error))
    flags: Mapping[str, bool] = {
        "only closing orders are taken.": told.is_closing_only_restricted,
        "flagged as that of a pattern day trader.": told.is_day_trader,
        "a cash account cannot sell short.": told.type == "CASH",
    }
    return _standing(check, f"…{chosen[0].account_number[-4:]}", (), [text for text, is_so in flags.items() if is_so])


# --- both ---


async def _clock(check: str, url: str) -> Finding:
    """Our clock beside the venue's, which names whole seconds."""
    transport = BrokerTransport(url, venue=check, headers={"User-Agent": f"fortified/{product_version()}"}, pacer=Pacer({}))
    try:
        begun = time.time()
        answer = await transport.send("GET", "/", route="clock")
        now = (begun + time.time()) / 2
    finally:
        await transport.close()
    told = answer.headers.get("date") if isinstance(answer, Accepted | Refused) else None
    if told is None:
        return Finding(check, "note", f"{url} does not tell its time")
    try:
        skew = now - parsedate_to_datetime(told).timestamp() - 0.5
    except ValueError:
        return Finding(check, "note", f"{url} tells no time that can be read")
    if abs(skew) > MOST_SKEW_S:
        return Finding(
            check, "bad", f"this machine's clock is off by {skew:+.1f} s; synchronize it (NTP), or orders may not be found again"
        )
    return Finding(check, "ok", f"this machine's clock agrees within {max(1.0, abs(skew)):.0f} s")
