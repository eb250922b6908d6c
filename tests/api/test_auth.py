"""Sessions: login, limits, refresh, logout, roles, users."""

import httpx2
import pytest
from tests.api.conftest import PASSWORD, Login
from tests.api.fakes import NS, FlakyStore, ManualClock

pytestmark = pytest.mark.anyio


async def _login(client: httpx2.AsyncClient, email: str, password: str = PASSWORD) -> httpx2.Response:
    return await client.post("/api/login", json={"email": email, "password": password})


async def test_login_gives_tokens_that_work(client: httpx2.AsyncClient) -> None:
    answer = (await _login(client, " Admin@Example.com ")).json()
    assert answer["token"] == answer["access_token"]
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 900)
    assert answer["user"]["role"] == "admin"
    me = await client.get("/api/me", headers={"Authorization": f"Bearer {answer['token']}"})
    assert me.json() == {"email": "admin@example.com", "role": "admin", "expires_at": "2025-01-01T12:15:00.000000Z"}


async def test_wrong_password_and_unknown_user_look_the_same(client: httpx2.AsyncClient) -> None:
    wrong = await _login(client, "admin@example.com", "wrong password")
    unknown = await _login(client, "nobody@example.com")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["code"] == "wrong_credentials"
    assert PASSWORD not in unknown.text


async def test_five_failures_lock_the_email_even_for_the_right_password(client: httpx2.AsyncClient) -> None:
    codes = [(await _login(client, "viewer@example.com", "no")).status_code for _ in range(5)]
    assert codes == [401] * 5
    locked = await _login(client, "viewer@example.com")
    assert locked.status_code == 429
    assert 890 <= int(locked.headers["Retry-After"]) <= 900
    assert (await _login(client, "admin@example.com")).status_code == 200


async def test_success_forgives_failures(client: httpx2.AsyncClient) -> None:
    for password in ("no", "no", "no", "no", PASSWORD, "no"):
        await _login(client, "viewer@example.com", password)
    assert (await _login(client, "viewer@example.com")).status_code == 200


async def test_an_address_has_ten_attempts_a_minute(client: httpx2.AsyncClient) -> None:
    codes = [(await client.post("/api/login", json={"email": f"u{n}@example.com", "password": "x"})).status_code for n in range(11)]
    assert codes == [401] * 10 + [429]


async def test_refresh_rotates_and_reuse_ends_all_sessions(client: httpx2.AsyncClient) -> None:
    first = (await _login(client, "trader@example.com")).json()
    second = await client.post("/api/token/refresh", json={"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    bearer = {"Authorization": f"Bearer {second.json()['token']}"}
    assert (await client.get("/api/me", headers=bearer)).status_code == 200
    stolen = await client.post("/api/token/refresh", json={"refresh_token": first["refresh_token"]})
    assert stolen.status_code == 401
    assert (await client.get("/api/me", headers=bearer)).status_code == 401
    third = await client.post("/api/token/refresh", json={"refresh_token": second.json()["refresh_token"]})
    assert third.status_code == 401


async def test_a_refresh_token_is_no_access_token_and_the_reverse(client: httpx2.AsyncClient) -> None:
    session = (await _login(client, "admin@example.com")).json()
    swapped = await client.get("/api/me", headers={"Authorization": f"Bearer {session['refresh_token']}"})
    assert swapped.status_code == 401
    assert (await client.post("/api/token/refresh", json={"refresh_token": session["token"]})).status_code == 401


async def test_logout_ends_access_and_refresh(client: httpx2.AsyncClient) -> None:
    session = (await _login(client, "admin@example.com")).json()
    bearer = {"Authorization": f"Bearer {session['token']}"}
    assert (await client.post("/api/logout", headers=bearer)).status_code == 204
    assert (await client.get("/api/me", headers=bearer)).status_code == 401
    again = await client.post("/api/token/refresh", json={"refresh_token": session["refresh_token"]})
    assert again.status_code == 401


async def test_a_token_expires_by_the_clock(admin: httpx2.AsyncClient, clock: ManualClock) -> None:
    clock.now += 15 * 60 * NS - 1
    assert (await admin.get("/api/me")).status_code == 200
    clock.now += 1
    expired = await admin.get("/api/me")
    assert (expired.status_code, expired.json()["code"]) == (401, "token_expired")


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic YTpi", "Bearer "])
async def test_without_a_valid_token_nothing_is_answered(client: httpx2.AsyncClient, header: str | None) -> None:
    answer = await client.get("/api/trading-status", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_token_with_changed_signature_or_algorithm_is_refused(admin: httpx2.AsyncClient) -> None:
    token = admin.headers["Authorization"].removeprefix("Bearer ")
    head, body, signature = token.split(".")
    for forged in (f"{head}.{body}.{signature[::-1]}", f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."):
        answer = await admin.get("/api/me", headers={"Authorization": f"Bearer {forged}"})
        assert answer.status_code == 401


async def test_roles(login: Login) -> None:
    viewer, trader = await login("viewer"), await login("trader")
    assert (await viewer.get("/api/trades")).status_code == 200
    denied = await viewer.post("/api/start-trading?strategy=ema")
    assert (denied.status_code, denied.json()["code"]) == (403, "forbidden")
    assert (await trader.get("/api/users")).status_code == 403
    assert (await trader.post("/api/stop-trading?strategy=ema")).status_code == 200


async def test_users_are_created_listed_and_deleted(admin: httpx2.AsyncClient, client: httpx2.AsyncClient) -> None:
    body = {"email": "New@Example.com", "password": "a-long-phrase", "role": "trader"}
    created = await admin.post("/api/users", json=body)
    assert created.status_code == 201
    assert created.json() == {"email": "new@example.com", "role": "trader", "created_at": "2025-01-01T12:00:00.000000Z"}
    assert (await admin.post("/api/users", json=body)).status_code == 422
    token = (await _login(client, "new@example.com", "a-long-phrase")).json()["token"]
    assert "new@example.com" in [user["email"] for user in (await admin.get("/api/users")).json()]
    assert (await admin.delete("/api/users/new@example.com")).status_code == 204
    assert (await admin.delete("/api/users/new@example.com")).status_code == 404
    assert (await client.get("/api/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_a_user_created_anew_does_not_revive_old_tokens(
    admin: httpx2.AsyncClient, client: httpx2.AsyncClient, clock: ManualClock
) -> None:
    body = {"email": "new@example.com", "password": "a-long-phrase", "role": "trader"}
    await admin.post("/api/users", json=body)
    token = (await _login(client, "new@example.com", "a-long-phrase")).json()["token"]
    await admin.delete("/api/users/new@example.com")
    clock.now += 2 * NS
    await admin.post("/api/users", json=body)
    assert (await client.get("/api/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_the_only_admin_stays(admin: httpx2.AsyncClient, store: FlakyStore) -> None:
    refused = await admin.delete("/api/users/admin@example.com")
    assert refused.status_code == 409
    assert "only admin" in refused.json()["reasons"][0]
    assert await store.users.user("admin@example.com") is not None


@pytest.mark.parametrize(
    "body",
    [
        {"email": "no-address", "password": "x"},
        {"email": "a@b", "password": ""},
        {"email": "a@b", "password": "x", "extra": 1},
        {"password": "x"},
        {"email": "a@b", "password": "secret-thing" * 200},
    ],
)
async def test_bad_login_bodies_name_the_field_and_hide_the_value(client: httpx2.AsyncClient, body: object) -> None:
    answer = await client.post("/api/login", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["field"] in ("email", "password", "extra")
    assert "secret-thing" not in answer.text
