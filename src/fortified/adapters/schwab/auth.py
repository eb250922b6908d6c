"""Logging in at Schwab: the page to open, the code to take from where it leads, and how long it all lasts.

Owns the requests to the token endpoint, what its refusals mean, and the seven days. Stores nothing; codes and tokens stand in no text of
an error.
"""

import base64
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import msgspec

from fortified.adapters.schwab.wire import decode, error_text
from fortified.adapters.transport import Accepted, BrokerTransport, NotSent, Refused, Unknown
from fortified.domain.errors import AuthExpired, ConfigError, RateLimited, VenueError, VenueUnavailable
from fortified.domain.timeframe import NS_PER_SECOND
from fortified.ports import Clock, VenueTokens

AUTHORIZE_PATH: Final = "/v1/oauth/authorize"
TOKEN_PATH: Final = "/v1/oauth/token"  # noqa: S105  # a path, not a secret
REFRESH_LIFE_NS: Final = 7 * 86_400 * NS_PER_SECOND
WARN_HOURS: Final = (48, 24, 2)
LOG_IN_AGAIN: Final = "Log in again with ./fortified login schwab, or on the brokers' page."
_HOUR_NS: Final = 3_600 * NS_PER_SECOND
_CODE: Final = re.compile(r"[A-Za-z0-9._~@+/=\-]{8,2048}")


class App(msgspec.Struct, frozen=True):
    """The application registered at Schwab; ``redirect_uri`` exactly as registered."""

    client_id: str
    client_secret: str
    redirect_uri: str

    def __repr__(self) -> str:
        return f"App(redirect_uri={self.redirect_uri!r})"


def authorize_url(base_url: str, app: App, state: str) -> str:
    """The page that a person opens to log in; it leads back to the redirect address with a code and ``state``."""
    query = {"response_type": "code", "client_id": app.client_id, "redirect_uri": app.redirect_uri, "state": state}
    return f"{base_url.rstrip('/')}{AUTHORIZE_PATH}?{urlencode(query, quote_via=quote)}"


def code_of(pasted: str, state: str | None = None) -> str:
    """The code in ``pasted``: the whole address that the browser was led to, its query, or the code alone, url-encoded or not.

    Raises:
        AuthExpired: the page says that it was refused.
        ConfigError: there is no code in it, or it belongs to another log-in than the one that began with ``state``.
    """
    text = pasted.strip().strip("'\"")
    fields = parse_qs(urlsplit(text).query or text.lstrip("?"), keep_blank_values=True)
    if "error" in fields:
        raise AuthExpired(f"Schwab refused the log-in ({fields['error'][0][:80]}). {LOG_IN_AGAIN}")
    if "code" not in fields:
        code = unquote(text)
    else:
        code = fields["code"][0].replace(" ", "+")
        told = fields.get("state", [""])[0]
        if state is not None and told != state:
            raise ConfigError("This address belongs to another log-in (its state differs). Begin again and paste the newest address.")
    if _CODE.fullmatch(code) is None or "://" in code:
        raise ConfigError("There is no code in this. Paste the whole address of the page the browser ended on; it holds ?code=…")
    return code


class SchwabLogin:
    """The token endpoint, spoken to through ``transport``, which shows no access token. The keeper of tokens is its only caller."""

    def __init__(self, transport: BrokerTransport, app: App, clock: Clock) -> None:
        self._transport = transport
        self._app = app
        self._clock = clock

    async def exchange(self, pasted: str, state: str | None = None) -> VenueTokens:
        """The tokens for what a log-in led to: see ``code_of``. A code is good for about 30 seconds, once.

        Raises:
            AuthExpired: the code or the application is refused.
            ConfigError: there is no code in ``pasted``.
            VenueUnavailable, RateLimited: the endpoint could not serve us; log in again.
        """
        code = code_of(pasted, state)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._app.redirect_uri}
        now = self._clock.now_ns()
        return self._tokens(await self._ask(form), None, now, now + REFRESH_LIFE_NS)

    async def refresh(self, tokens: VenueTokens | None) -> VenueTokens:
        """New tokens for old ones: the grant of the keeper. The seven days go on; nothing prolongs them.

        Raises:
            AuthExpired: there is none, or it is too old; a person has to log in.
            VenueUnavailable, RateLimited: try again later.
        """
        now = self._clock.now_ns()
        if tokens is None or tokens.refresh_token is None:
            raise AuthExpired(f"Nobody is logged in at Schwab. {LOG_IN_AGAIN}")
        if tokens.ts_refresh_expires is not None and now >= tokens.ts_refresh_expires:
            raise AuthExpired(f"Schwab's log-in has expired: it lasts seven days. {LOG_IN_AGAIN}")
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        return self._tokens(await self._ask(form), tokens.refresh_token, now, tokens.ts_refresh_expires)

    async def _ask(self, form: Mapping[str, str]) -> bytes:
        match await self._transport.send("POST", TOKEN_PATH, route="oauth", form=form, headers=_basic(self._app)):
            case Accepted(body=body):
                return body
            case Refused(status=429):
                raise RateLimited("Schwab asks us to log in less often; wait some minutes.")
            case Refused(status=status, body=body):
                raise _refused(status, error_text(body))
            case NotSent(error=error):
                raise VenueUnavailable(f"Schwab's log-in was not reached: {error}")
            case Unknown(reason=reason):
                raise VenueUnavailable(f"Schwab's log-in gave no answer: {reason}. It is tried again.")

    def _tokens(self, body: bytes, refresh_token: str | None, now_ns: int, ts_refresh_expires: int | None) -> VenueTokens:
        answer = decode(body, _TokenAnswer, "the log-in")
        expires = now_ns + answer.expires_in * NS_PER_SECOND
        return VenueTokens(answer.access_token, expires, answer.refresh_token or refresh_token, ts_refresh_expires)


def _refused(status: int, said: str) -> VenueError:
    if "invalid_client" in said:
        return AuthExpired(
            "Schwab does not know this application. Check SCHWAB_CLIENT_ID and SCHWAB_CLIENT_SECRET, and that it is ready for use."
        )
    if "unsupported_token_type" in said or "refresh_token" in said:
        return AuthExpired(f"Schwab's log-in has expired: it lasts seven days. {LOG_IN_AGAIN}")
    if "redirect" in said:
        return AuthExpired("Schwab refuses the redirect address. Make SCHWAB_REDIRECT_URI exactly the one registered for the application.")
    return AuthExpired(f"Schwab refused the log-in ({status}); a code is good for 30 seconds and one use. {LOG_IN_AGAIN}")


class Expiry(msgspec.Struct, frozen=True):
    """When a log-in ends (ns), and what to tell of it."""

    ts_expires: int

    def left_ns(self, now_ns: int) -> int:
        """Nanoseconds left, 0 when it is over."""
        return max(0, self.ts_expires - now_ns)

    def warned_hours(self, now_ns: int) -> int | None:
        """The smallest of the warnings of 48, 24 and 2 hours that is due at ``now_ns``, 0 when it is over, None when none is."""
        left = self.left_ns(now_ns)
        return 0 if not left else min((hours for hours in WARN_HOURS if left <= hours * _HOUR_NS), default=None)

    def warning(self, now_ns: int) -> str | None:
        """What to tell a person at ``now_ns``; None while there is nothing to do. Tell it again when ``warned_hours`` changes."""
        due = self.warned_hours(now_ns)
        if due is None:
            return None
        if due == 0:
            return f"Schwab's log-in has expired. {LOG_IN_AGAIN}"
        return f"Schwab's log-in expires in {self.countdown(now_ns)}. {LOG_IN_AGAIN}"

    def countdown(self, now_ns: int) -> str:
        """The time left as ``6 d 23 h``, ``23 h 59 min`` or ``59 min``."""
        minutes = self.left_ns(now_ns) // (60 * NS_PER_SECOND)
        days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
        return f"{days} d {hours} h" if days else f"{hours} h {rest} min" if hours else f"{rest} min"


class _TokenAnswer(msgspec.Struct, frozen=True):
    access_token: str
    refresh_token: str | None = None
    expires_in: int = 1800


def _basic(app: App) -> dict[str, str]:
    pair = base64.b64encode(f"{app.client_id}:{app.client_secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}
