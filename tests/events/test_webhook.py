import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from kafka_cluster import make_certificates
from pydantic import SecretStr, ValidationError

from tests.events.calls import make_messages, make_reroute
from voicepipe.events.config import WebhookConfig
from voicepipe.events.contract import KAFKA_TOPICS
from voicepipe.events.envelope import message_of
from voicepipe.events.reroute import RerouteEvent
from voicepipe.events.webhook import WebhookSink, sign, structured
from voicepipe.types import SinkError

UNIX_TIME_S = 1_772_359_200.7


class Receiver:
    """A CRM on the loopback interface that answers as a test says and keeps what it got."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.answers: list[int] = []
        self.location = ""
        self.closes = False
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                if receiver.closes:
                    self.send_header("Connection", "close")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.close()


def make_sink(receiver: Receiver, **changes: object) -> WebhookSink:
    config = WebhookConfig.model_validate(
        {
            "url": f"http://127.0.0.1:{receiver.port}/hook?tenant=7",
            "allow_http": True,
            "allow_private_addresses": True,
            "secret": "whsec_" + base64.b64encode(b"k" * 32).decode(),
            **changes,
        }
    )
    return WebhookSink(config, unix_time_s=lambda: UNIX_TIME_S)


def test_events_arrive_in_order_as_structured_cloudevents(receiver: Receiver) -> None:
    messages = make_messages()
    assert all(delivery.delivered for delivery in make_sink(receiver).publish(messages))
    assert receiver.ids == [message.event_id for message in messages]
    headers, body = receiver.got[1]
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    event = JSONFormat().read(CloudEvent, body)
    assert (event.get_type(), event.get_subject()) == ("voicepipe.reroute.requested.v1", "call-1")
    assert RerouteEvent.model_validate(event.get_data()) == make_reroute()


def test_the_signature_is_that_of_standard_webhooks(receiver: Receiver) -> None:
    make_sink(receiver).publish(make_messages()[:1])
    headers, body = receiver.got[0]
    assert headers["webhook-timestamp"] == "1772359200"
    signed = f"{headers['webhook-id']}.1772359200.".encode() + body
    expected = base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_the_signature_of_the_specifications_example() -> None:
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        event_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp="1614265330",
        body=b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_message_that_is_refused_for_good_does_not_block_the_rest(receiver: Receiver, status: int) -> None:
    receiver.answers = [204, status, 200, 202]
    deliveries = make_sink(receiver).publish(make_messages())
    assert [delivery.delivered for delivery in deliveries] == [True, False, True, True]
    assert deliveries[1].refused == f"the receiver answered {status}"


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503, 504])
def test_what_may_go_through_later_is_sent_again(receiver: Receiver, status: int) -> None:
    receiver.answers = [204, status]
    sink = make_sink(receiver)
    deliveries = sink.publish(make_messages())
    assert [(delivery.delivered, delivery.refused) for delivery in deliveries] == [(True, None)] + 3 * [(False, None)]
    assert len(receiver.got) == 2
    receiver.answers = [status]
    with pytest.raises(SinkError, match=f"answered {status}; it is tried again"):
        sink.publish(make_messages()[1:])
    assert all(delivery.delivered for delivery in sink.publish(make_messages()[1:]))


def test_gone_switches_the_webhook_off(receiver: Receiver) -> None:
    receiver.answers = [410]
    sink = make_sink(receiver)
    with pytest.raises(SinkError, match="answered 410"):
        sink.publish(make_messages())
    with pytest.raises(SinkError, match="switched off"):
        sink.publish(make_messages())
    assert len(receiver.got) == 1


def test_a_message_that_always_makes_the_receiver_stumble_is_given_up(receiver: Receiver) -> None:
    receiver.answers = [500, 500, 500]
    sink = make_sink(receiver, max_faults=3)
    for _ in range(2):
        with pytest.raises(SinkError, match="answered 500"):
            sink.publish(make_messages())
    deliveries = sink.publish(make_messages())
    assert deliveries[0].refused == "the receiver answered 500, 3 times"
    assert [delivery.delivered for delivery in deliveries[1:]] == [True, True, True]


def test_a_receiver_may_close_after_each_answer(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.closes = True
    sink, looked_up = make_sink(receiver), []
    known = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: looked_up.append(args) or known(*args, **kwargs))
    messages = make_messages()
    assert all(delivery.delivered for delivery in sink.publish(messages))
    assert receiver.ids == [message.event_id for message in messages]
    checked = [args for args in looked_up if args[0] == "127.0.0.1"]
    assert len(checked) >= len(messages), "each connection's address is checked"


def test_an_address_that_does_not_answer_is_passed_over(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most names have addresses of both kinds, and a machine may reach one kind only."""

    def both(host: str, port: int, **kwargs: object) -> list[tuple[object, ...]]:
        v6, v4 = ("::1", port, 0, 0), ("127.0.0.1", port)
        return [(family, socket.SOCK_STREAM, 6, "", at) for family, at in ((socket.AF_INET6, v6), (socket.AF_INET, v4))]

    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, *args, **kwargs: (
            both(host, port) if host == "crm.example.org" else known(host, port, *args, **kwargs)
        ),
    )
    sink = make_sink(receiver, url=f"http://crm.example.org:{receiver.port}/hook")
    assert all(delivery.delivered for delivery in sink.publish(make_messages()))


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    elsewhere = Receiver()
    receiver.answers, receiver.location = [302], f"http://127.0.0.1:{elsewhere.port}/"
    with pytest.raises(SinkError, match="redirects are not followed"):
        make_sink(receiver).publish(make_messages())
    assert elsewhere.got == []
    elsewhere.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"]
)
def test_private_addresses_are_refused_unless_allowed(host: str) -> None:
    config = WebhookConfig(url=f"https://{host}/hook")
    with pytest.raises(SinkError, match="private address"):
        WebhookSink(config, unix_time_s=lambda: 0.0).publish(make_messages())


def test_a_silent_receiver_is_given_up_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = WebhookConfig(
            url=f"http://127.0.0.1:{silent.getsockname()[1]}/secret-path",
            allow_http=True,
            allow_private_addresses=True,
            timeout_s=0.1,
        )
        with pytest.raises(SinkError, match="did not answer") as caught:
            WebhookSink(config, unix_time_s=lambda: 0.0).publish(make_messages())
    assert "secret-path" not in str(caught.value)


def test_a_receiver_that_is_away_is_named(unused_tcp_address: str) -> None:
    config = WebhookConfig(url=f"http://{unused_tcp_address}/", allow_http=True, allow_private_addresses=True)
    with pytest.raises(SinkError, match=f"webhook {unused_tcp_address} cannot be reached"):
        WebhookSink(config, unix_time_s=lambda: 0.0).publish(make_messages())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "http://crm.example.org/hook"}, "url is not https"),
        ({"url": "ftp://crm.example.org/hook"}, "not an address"),
        ({"url": "crm.example.org/hook"}, "not an address"),
        ({"url": "https://user:s3cret-word@crm.example.org/hook"}, "use the secret"),
        ({"url": "https://crm.example.org/hook", "topics": ["voicepipe.reroute"]}, "voicepipe.reroute.v1"),
        ({"url": "https://crm.example.org/hook", "topics": []}, "at least 1 item"),
    ],
)
def test_settings_are_checked(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        WebhookConfig.model_validate({"secret": SecretStr("s3cret-word"), **changes})
    assert "s3cret-word" not in str(caught.value)


def test_every_topic_of_the_contract_may_be_posted() -> None:
    config = WebhookConfig.model_validate({"url": "https://crm.example.org/hook", "topics": KAFKA_TOPICS})
    assert config.topics == KAFKA_TOPICS


@pytest.mark.slow
def test_certificates_are_checked(tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls" / "broker.pem")
    receiver = Receiver(tls=context)
    url = f"https://localhost:{receiver.port}/hook"
    receiver.closes = True  # and the connection that is opened for the next message is no less secret
    assert make_sink(receiver, url=url, ca_file=tmp_path / "tls" / "ca.pem").publish(make_messages())[3].delivered
    with pytest.raises(SinkError, match="CERTIFICATE_VERIFY_FAILED"):
        make_sink(receiver, url=url).publish(make_messages())
    receiver.close()


def test_text_of_any_script_is_sent_as_utf_8() -> None:
    body = structured(message_of(make_reroute(call_id="звонок")))
    assert "звонок".encode() in body
