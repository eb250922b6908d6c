"""The wire journal: whole, bounded, without secrets, and good for a replay through the adapters."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.tasty_fake import ACCOUNT, NOW, REFRESH, SECRET, broker_at, fake_venue, fill, order, raw_order
from tests.adapters.venue_server import Answer, ManualClock

from fortified.adapters.tastytrade.account_stream import AccountStream, Notice
from fortified.adapters.tastytrade.answers import placed
from fortified.adapters.tastytrade.orders import venue_order
from fortified.adapters.tastytrade.wire import data_of, items_of
from fortified.adapters.transport import Accepted
from fortified.adapters.wire_journal import Redactor, WireEntry, WireJournal, journal_files, read_journal
from fortified.domain.venue import WakeUp

pytestmark = pytest.mark.anyio


def journal(directory: Path, **options: int) -> WireJournal:
    return WireJournal(directory, "venue", clock=ManualClock(), redact=Redactor.of_accounts([ACCOUNT]), **options)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"access_token":"abc","expires_in":900}', '{"access_token":"<redacted>","expires_in":900}'),
        ('{"auth-token" : "Bearer abc.def", "request-id": 1}', '{"auth-token" : "<redacted>", "request-id": 1}'),
        ('{"token":"a\\"b","level":"api"}', '{"token":"<redacted>","level":"api"}'),
        ('{"Authorization":"abc"}', '{"Authorization":"<redacted>"}'),
        ('{"3":"{\\"refresh_token\\":\\"abc\\",\\"x\\":1}"}', '{"3":"{\\"refresh_token\\":\\"<redacted>\\",\\"x\\":1}"}'),
        ("grant_type=refresh_token&refresh_token=abc%2F&code=C0.x%40", "grant_type=refresh_token&refresh_token=<redacted>&code=<redacted>"),
        ("https://127.0.0.1/callback?code=C0.x%40&session=abc", "https://127.0.0.1/callback?code=<redacted>&session=<redacted>"),
        ("Authorization: Bearer abcdefg.hij", "Authorization: Bearer <redacted>"),
        (f'{{"account-number":"{ACCOUNT}","id":1}}', '{"account-number":"ACCOUNT1","id":1}'),
    ],
)
def test_secrets_are_taken_out_and_all_else_stays(text: str, kept: str) -> None:
    assert Redactor.of_accounts([ACCOUNT])(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        '{"error":{"code":"preflight_check_failure","message":"The token is not valid"}}',
        '{"session":"NORMAL","content":{"code":0},"price":0.10,"index":7238429996434378670}',
        '{"confirmation_token_count":1,"access_token":null}',
    ],
)
def test_what_is_no_secret_is_kept_to_the_letter(text: str) -> None:
    assert Redactor()(text) == text


@given(st.text(max_size=40), st.sampled_from(["access_token", "token", "auth-token", "client_secret", "refresh_token", "id_token"]))
def test_no_value_of_a_secret_key_gets_through(secret: str, key: str) -> None:
    hidden = f"<{secret}>"
    once = json.dumps({key: hidden, "after": "kept"})
    assert json.loads(Redactor()(once)) == {key: "<redacted>", "after": "kept"}
    assert json.loads(json.loads(Redactor()(json.dumps({"3": once})))["3"]) == {key: "<redacted>", "after": "kept"}


def test_files_are_bounded_in_size_and_number_and_belong_to_their_owner(tmp_path: Path) -> None:
    written = journal(tmp_path / "wire", max_bytes=2000, files=3)
    for number in range(200):
        written.channel("dxlink").received(f"frame {number}")
    written.close()
    files = journal_files(tmp_path / "wire", "venue")
    assert len(files) == 3
    assert all(path.stat().st_size <= 2000 for path in files)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    texts = [entry.text for entry in read_journal(tmp_path / "wire", "venue")]
    assert texts == [f"frame {number}" for number in range(200 - len(texts), 200)]


def test_a_new_session_begins_a_new_file_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.channel("account").sent("one")
    first.channel("account").sent("two")
    (path,) = journal_files(tmp_path, "venue")
    path.write_bytes(path.read_bytes()[:-5])
    second = journal(tmp_path)
    second.channel("account").sent("three")
    assert [entry.text for entry in read_journal(tmp_path, "venue")] == ["one", "three"]
    first.close()
    second.close()


def test_a_disk_that_cannot_take_it_disturbs_nobody_and_is_counted(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    written = journal(tmp_path / "file")
    for _ in range(3):
        written.channel("rest").request(1, "GET", "http://venue/", b"")
    assert written.lost == 3


def test_bytes_that_are_no_text_are_kept_readable(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.channel("rest").response(1, None, {"content-type": "x", "set-cookie": "secret"}, b"\xff\x00ok")
    written.close()
    (entry,) = read_journal(tmp_path, "venue")
    assert (entry.text, entry.status, entry.headers) == ("\\xff\x00ok", None, {"content-type": "x"})


async def record(directory: Path) -> list[WakeUp]:
    """A session: connect, place, read, and two notices, all written down."""
    written = journal(directory)
    path = f"/accounts/{ACCOUNT}/orders"
    async with fake_venue() as venue, broker_at(venue, journal=written) as broker:
        venue.answers[f"POST {path}"] = Answer(201, {"data": {"order": raw_order(status="Routed")}})
        venue.orders = [raw_order(leg={"remaining-quantity": 1, "fills": [fill("a")]})]
        await broker.connect()
        await broker.place_order(order())
        await broker.orders(NOW)
        await venue.notify("Order", venue.orders[0])
        await venue.notify("AccountBalance", {"account-number": ACCOUNT})
        wake_ups = aiter(broker.wake_ups())
        async with asyncio.timeout(10):
            heard = [await anext(wake_ups) for _ in range(3)]
    written.close()
    return heard


async def test_a_session_is_written_down_whole_and_holds_no_secret(tmp_path: Path) -> None:
    await record(tmp_path)
    entries = list(read_journal(tmp_path, "venue"))
    requests = [(entry.channel, entry.method, entry.url.split("/", 3)[3]) for entry in entries if entry.kind == "request"]
    assert [one for one in requests if one[1] == "POST"] == [("oauth", "POST", "oauth/token"), ("rest", "POST", "accounts/ACCOUNT1/orders")]
    numbers = {(entry.channel, entry.number) for entry in entries if entry.kind == "request"}
    assert numbers == {(entry.channel, entry.number) for entry in entries if entry.kind == "response"}
    assert [entry.kind for entry in entries if entry.channel == "account"][:3] == ["opened", "sent", "received"]
    text = b"".join(path.read_bytes() for path in journal_files(tmp_path, "venue")).decode()
    for secret in (SECRET, REFRESH, "access-s3cr3t", ACCOUNT):
        assert secret not in text


async def test_a_written_session_is_replayed_through_the_adapters(tmp_path: Path) -> None:
    heard = await record(tmp_path)
    entries = list(read_journal(tmp_path, "venue"))

    def canonical(symbol: str, _: int | None) -> str:
        return {"/NQZ6": "/NQZ26"}[symbol]

    stream = AccountStream("ACCOUNT1", canonical, now=0.0)
    events = [stream.receive(entry.text, 1.0) for entry in entries if (entry.channel, entry.kind) == ("account", "received")]
    assert [event.wake_up for event in events if isinstance(event, Notice)] == heard[1:]

    def answer_to(method: str, end: str) -> WireEntry:
        asked = next(entry for entry in entries if entry.method == method and entry.url.partition("?")[0].endswith(end))
        return next(entry for entry in entries if entry.kind == "response" and (entry.channel, entry.number) == ("rest", asked.number))

    said = answer_to("POST", "/orders")
    events_again = placed(order(), Accepted(said.status or 0, said.text.encode(), said.headers), NOW)
    assert events_again[-1].venue_order_id == "7"
    (read_again,) = [venue_order(raw, canonical) for raw in items_of(data_of(answer_to("GET", "/orders").text.encode()))]
    assert read_again == heard[1].order


def test_entries_read_back_as_they_were_written() -> None:
    entry = WireEntry(1, "rest", "request", "{}", 3, "GET", "http://venue/a?b=1", None, {"date": "x"})
    assert msgspec.json.decode(msgspec.json.encode(entry), type=WireEntry) == entry
