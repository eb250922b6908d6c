"""Studies that several processes and machines work on together.

Owns their journal in Redis: a list of what was done, from which each process makes its own picture. Knows no search.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, cast

import redis
from optuna.storages.journal import BaseJournalBackend
from redis.backoff import NoBackoff
from redis.retry import Retry

from fortified.domain.errors import StoreUnavailable

KEPT_S = 30 * 86_400
"""How long a study is kept that nobody works on."""
PATIENCE_S = 10.0
PAUSE_S = 0.05

# A repeated command finds its token and does nothing: who lost the answer may ask again.
_APPEND = """
if redis.call('SET', KEYS[2], '', 'NX', 'EX', 60) then
  redis.call('RPUSH', KEYS[1], unpack(ARGV, 2))
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
"""


class RedisJournal(BaseJournalBackend):
    """The journal of one study, under ``study:{name}``. ``revive`` is called while Redis is away; it may bring it back."""

    def __init__(self, url: str, name: str, revive: Callable[[], object]) -> None:
        self._key = f"study:{{{name}}}"
        self._redis = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        self._revive = revive

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        lines = self._ask(lambda: cast("list[bytes]", self._redis.lrange(self._key, log_number_from, -1)))
        return map(json.loads, lines)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        token = f"{self._key}:{uuid.uuid4().hex}"
        lines = [json.dumps(log) for log in logs]
        self._ask(lambda: self._redis.eval(_APPEND, 2, self._key, token, KEPT_S, *lines))

    def _ask[T](self, command: Callable[[], T]) -> T:
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                return command()
            except redis.ResponseError as error:
                raise StoreUnavailable(f"Redis does not take the study: {error}") from None
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if time.monotonic() > give_up:
                    raise StoreUnavailable(f"Redis is away: {error}; the study is kept, run the same command again to go on") from None
            self._revive()
            time.sleep(PAUSE_S)
