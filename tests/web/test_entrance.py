"""Who a request comes from: headers of a proxy, addresses, and this machine where nobody is configured."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.web.scene import PEOPLE, TOKENS, Scene, csrf_in, make_scene
from voicepipe.web.config import ConsoleConfig, PersonConfig, ProxyConfig
from voicepipe.web.entrance import Admission, Means
from voicepipe.web.people import Person, Role
from voicepipe.web.visit import Visit

PROXY = "10.0.0.2"
STRANGER = "192.0.2.66"

GROUPS = ProxyConfig(
    addresses=("10.0.0.0/30", "fd00::2/128"),
    groups_header="X-Forwarded-Groups",
    roles={"vp-admins": Role.ADMIN, "vp-qa": Role.QA, "vp-team": Role.SUPERVISOR},
    queues_header="X-Queues",
    address_header="X-Forwarded-For",
)


def scene_of(folder: Path, proxy: ProxyConfig | None, *people: PersonConfig) -> Scene:
    return make_scene(folder, config=ConsoleConfig(people=people, proxy=proxy))


def me(scene: Scene, headers: Any, *, address: str = PROXY) -> Any:
    """Return who the console takes a request for; the status where it takes it for nobody."""
    answer = scene.client(address=address).get("/api/v1/me", headers=headers)
    return answer.json() if answer.status_code == 200 else answer.status_code


def test_the_proxys_headers_say_who_it_is(tmp_path: Path) -> None:
    with (scene := scene_of(tmp_path, GROUPS)).store:
        headers = {"X-Forwarded-User": "ann", "X-Forwarded-Groups": "staff, vp-team", "X-Queues": "billing, claims"}
        assert me(scene, headers) | {"permissions": None} == {
            "name": "ann",
            "role": "supervisor",
            "queues": ["billing", "claims"],
            "permissions": None,
        }
        assert me(scene, headers, address="::ffff:10.0.0.2")["name"] == "ann"
        assert me(scene, headers, address="fd00::2")["name"] == "ann"
        assert me(scene, headers | {"X-Forwarded-Groups": "vp-team,vp-admins"})["role"] == "admin"
        assert me(scene, headers | {"X-Queues": "*"})["queues"] is None
        assert me(scene, {name: value for name, value in headers.items() if name != "X-Queues"})["queues"] == []


@pytest.mark.parametrize("address", [STRANGER, "10.0.0.4", "127.0.0.1", "::1", "", "unix", "10.0.0.2.evil"])
def test_headers_from_anywhere_else_count_for_nothing(tmp_path: Path, address: str) -> None:
    with (scene := scene_of(tmp_path, GROUPS)).store:
        spoofed = {"X-Forwarded-User": "ann", "X-Forwarded-Groups": "vp-admins", "X-Queues": "*"}
        assert me(scene, spoofed, address=address) == 401
        assert me(scene, spoofed | {"X-Forwarded-For": PROXY, "Forwarded": f"for={PROXY}"}, address=address) == 401
        browser = scene.client(address=address)
        assert browser.get("/console", headers=spoofed).status_code == 303
        assert 'name="token"' not in browser.get("/console/sign-in").text


def test_who_has_no_role_is_told_so(tmp_path: Path) -> None:
    with (scene := scene_of(tmp_path, GROUPS)).store:
        browser = scene.client(address=PROXY)
        page = browser.get("/console", headers={"X-Forwarded-User": "eve", "X-Forwarded-Groups": "staff"})
        assert page.status_code == 403
        assert "no role here" in page.text
        assert me(scene, {"X-Forwarded-User": "eve"}) == 403


def test_headers_that_do_not_say_clearly_who_it_is_are_refused(tmp_path: Path) -> None:
    with (scene := scene_of(tmp_path, GROUPS)).store:
        groups = ("X-Forwarded-Groups", "vp-admins")
        assert me(scene, [("X-Forwarded-User", "eve"), ("X-Forwarded-User", "ann"), groups]) == 400
        assert me(scene, [("X-Forwarded-User", "a\tb"), groups]) == 400
        assert me(scene, [("X-Forwarded-User", "a" * 201), groups]) == 400
        assert me(scene, [("X-Forwarded-User", ""), groups]) == 401
        assert me(scene, [groups]) == 401


def test_a_name_may_be_in_any_script(tmp_path: Path) -> None:
    with (scene := scene_of(tmp_path, GROUPS)).store:
        headers = [(b"X-Forwarded-User", "Мария Иванова".encode()), (b"X-Forwarded-Groups", b"vp-qa")]
        assert me(scene, headers)["name"] == "Мария Иванова"


def test_the_people_listed_come_before_the_groups(tmp_path: Path) -> None:
    listed = PersonConfig(name="ann", role=Role.VIEWER, queues=("claims",))
    with (scene := scene_of(tmp_path, GROUPS, listed)).store:
        found = me(scene, {"X-Forwarded-User": "ann", "X-Forwarded-Groups": "vp-admins", "X-Queues": "*"})
        assert (found["role"], found["queues"]) == ("viewer", ["claims"])


def test_a_proxy_may_give_everybody_one_role(tmp_path: Path) -> None:
    with (scene := scene_of(tmp_path, ProxyConfig(addresses=(f"{PROXY}/32",), default_role=Role.VIEWER))).store:
        found = me(scene, {"X-Forwarded-User": "bob"})
        assert (found["role"], found["queues"]) == ("viewer", None)


def test_whom_a_proxy_signed_in_can_act_and_cannot_be_made_to(tmp_path: Path) -> None:
    with (scene := scene_of(tmp_path, GROUPS)).store:
        browser = scene.client(address=PROXY)
        browser.headers.update({"X-Forwarded-User": "ann", "X-Forwarded-Groups": "vp-team", "X-Queues": "billing"})
        path = f"/console/alerts/{scene.alert_id('call-billing')}/take"
        page = browser.get("/console/alerts")
        assert browser.post(path).status_code == 403
        assert browser.post(path, data={"csrf": csrf_in(page.text)}).status_code == 303
        assert ("ann", "take", f"alert {scene.alert_id('call-billing')}") in scene.actions()


def test_wrong_tokens_through_a_proxy_are_counted_for_who_sent_them(tmp_path: Path) -> None:
    with (scene := scene_of(tmp_path, GROUPS, *PEOPLE)).store:
        app = scene.app

        def status(forwarded: str, token: str) -> int:
            browser = TestClient(app, client=(PROXY, 1), base_url="http://127.0.0.1")
            headers = {"X-Forwarded-For": forwarded, "authorization": f"Bearer {token}"}
            return browser.get("/api/v1/me", headers=headers).status_code

        # What the client itself wrote stands on the left, and must not help it.
        attempts = [status(f"203.0.113.{i}, {STRANGER}", "a wrong token, again") for i in range(12)]
        assert attempts == [401] * 10 + [429] * 2
        assert status(f"{STRANGER}, 203.0.113.9, {PROXY}", TOKENS["admin"]) == 200


def test_where_nobody_is_configured_this_machine_is_admin(tmp_path: Path) -> None:
    with (scene := scene_of(tmp_path, None)).store:
        for address, url in [
            ("127.0.0.1", "http://127.0.0.1:8780"),
            ("::1", "http://[::1]:8780"),
            ("127.0.0.1", "http://localhost:8780"),
        ]:
            browser = scene.client(address=address, base_url=url)
            assert browser.get("/api/v1/me").json()["role"] == "admin"
            assert browser.get("/console").status_code == 200


@pytest.mark.parametrize(
    ("address", "base_url", "headers"),
    [
        (STRANGER, "http://127.0.0.1:8780", {}),
        (STRANGER, "http://127.0.0.1:8780", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", "http://rebound.evil.example:8780", {}),
        ("127.0.0.1", "http://127.0.0.1.evil.example:8780", {}),
        ("127.0.0.1", "http://127.0.0.1:8780", {"X-Forwarded-For": STRANGER}),
        ("127.0.0.1", "http://127.0.0.1:8780", {"Forwarded": f"for={STRANGER}"}),
        ("127.0.0.1", "http://127.0.0.1:8780", {"Via": "1.1 proxy"}),
    ],
)
def test_where_nobody_is_configured_nobody_else_comes_in(
    tmp_path: Path, address: str, base_url: str, headers: dict[str, str]
) -> None:
    with (scene := scene_of(tmp_path, None)).store:
        browser = scene.client(address=address, base_url=base_url)
        assert browser.get("/api/v1/calls", headers=headers).status_code == 401
        assert browser.get("/console", headers=headers).status_code == 303


def test_a_header_of_another_kind_is_no_token(scene: Scene) -> None:
    for value in ("Basic YWRtaW46eA==", "Bearer", "Bearer ", f"Token {TOKENS['admin']}", "é"):
        browser = scene.client("admin")
        answer = browser.get("/api/v1/me", headers=[("authorization", value.encode())])
        assert answer.status_code == 401, value
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_stream_of_a_proxied_person_is_asked_for_again(tmp_path: Path) -> None:
    with (scene := scene_of(tmp_path, GROUPS)).store:
        visit = Visit(
            console=scene.console,
            request=None,  # type: ignore[arg-type]
            admission=Admission(person=Person(name="ann", role=Role.QA), means=Means.PROXY),
            secret="",
            is_secret_new=False,
            language=scene.console.languages["en"],
            now=scene.clock.now,
        )
        assert asyncio.run(visit.is_still_in())
        scene.clock.advance(minutes=15)
        assert not asyncio.run(visit.is_still_in())
