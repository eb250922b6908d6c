"""A TastyTrade broker with all it needs, for one account.

Owns how its parts are put together, and the refresh grant.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from hashlib import sha256

from fortified.adapters.oauth import Grant, TokenKeeper, ask
from fortified.adapters.pacing import Pacer, Rate
from fortified.adapters.tastytrade.account_socket import STREAM_URL, AccountSocket
from fortified.adapters.tastytrade.broker import VENUE, TastyTradeBroker
from fortified.adapters.tastytrade.client import API_URL, RATES, TastyTradeClient, request_headers
from fortified.adapters.tastytrade.contracts import Contracts
from fortified.adapters.transport import BrokerTransport
from fortified.adapters.wire_journal import WireJournal
from fortified.ports import Clock, TokenStore, VenueTokens

_NAME = "TastyTrade"


def tastytrade_broker(
    account_number: str,
    *,
    client_secret: str,
    refresh_token: str,
    clock: Clock,
    product_version: str,
    store: TokenStore | None = None,
    journal: WireJournal | None = None,
    api_url: str = API_URL,
    stream_url: str = STREAM_URL,
    rates: Mapping[str, Rate] = RATES,
    timeout_s: float = 10.0,
) -> TastyTradeBroker:
    """The broker of ``account_number``; nothing is sent before ``connect`` or the first request. ``timeout_s`` is for each request."""
    headers, pacer, resources = request_headers(product_version), Pacer(rates), AsyncExitStack()

    def transport(channel: str, tokens: TokenKeeper | None = None) -> BrokerTransport:
        written = None if journal is None else journal.channel(channel)
        made = BrokerTransport(api_url, venue=_NAME, headers=headers, pacer=pacer, tokens=tokens, journal=written, timeout_s=timeout_s)
        resources.push_async_callback(made.close)
        return made

    grant = refresh_grant(transport("oauth"), client_secret, refresh_token, clock)
    # A token of other credentials must not be found by these.
    row = f"{VENUE}:{sha256(refresh_token.encode()).hexdigest()[:16]}"
    keeper = TokenKeeper(VENUE, grant, clock=clock, store=store, stored_as=row)
    client = TastyTradeClient(transport("rest", keeper), account_number)
    contracts = Contracts(client, clock)
    stream = AccountSocket(
        stream_url,
        account_number,
        tokens=keeper,
        canonical=contracts.canonical,
        user_agent=headers["User-Agent"],
        journal=None if journal is None else journal.channel("account"),
        limit_s=timeout_s,
    )
    return TastyTradeBroker(client, keeper, contracts, stream, clock, resources)


def refresh_grant(transport: BrokerTransport, client_secret: str, refresh_token: str, clock: Clock) -> Grant:
    """The grant of access tokens, good for 15 minutes, by a refresh token that does not end."""

    async def grant(_: VenueTokens | None) -> VenueTokens:
        asked = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_secret": client_secret}
        begun = clock.now_ns()
        answer = await ask(transport, "/oauth/token", json=asked)
        return VenueTokens(answer.access_token, begun + answer.expires_in * 10**9)

    return grant
