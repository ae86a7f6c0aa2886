import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.gateways.dialogue import make_decoder, play
from voicepipe.gateways.audiohook import AudioHookDecoder
from voicepipe.gateways.decoder import DecoderLimits, Handshake
from voicepipe.speech.redact import Redactor
from voicepipe.types import AudioChunk, Channel, GatewayProtocolError, ScoredUtterance, Transcript, Word

SESSION = "e160e428-53e2-487c-977d-96989bf5c99d"
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
INVERTED = STEREO | {"channels": ["internal", "external"]}
EXTERNAL = STEREO | {"channels": ["external"]}
INTERNAL = STEREO | {"channels": ["internal"]}


class Client:
    """The client's side: numbers its messages and knows what it got."""

    def __init__(self, *, limits: DecoderLimits | None = None, headers: dict[str, str] | None = None, **config: Any):
        decoder = make_decoder(
            "audiohook",
            handshake=Handshake(headers=headers or {}),
            config=config,
            limits=limits or DecoderLimits(),
        )
        assert isinstance(decoder, AudioHookDecoder)
        self.decoder = decoder
        self.seq = 0
        self.got: list[dict[str, Any]] = []
        self.events: list[Any] = []

    def say(self, kind: str, *, position: str = "PT0S", envelope: dict[str, Any] | None = None, **parameters: Any):
        self.seq += 1
        message = {
            "version": "2",
            "id": SESSION,
            "type": kind,
            "seq": self.seq,
            "serverseq": len(self.got),
            "position": position,
            "parameters": parameters,
        } | (envelope or {})
        return self.send(json.dumps(message))

    def send(self, message: str | bytes) -> list[dict[str, Any]]:
        try:
            self.events += self.decoder.feed(message)
        finally:
            new = self.read()
        return new

    def read(self) -> list[dict[str, Any]]:
        new = [json.loads(reply) for reply in self.decoder.replies()]
        self.got += new
        return new

    def open(self, *media: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
        offers = list(media) or [STEREO]
        return self.say(
            "open",
            **(
                {"organizationId": "org", "conversationId": "conv-1", "participant": {"id": "p"}, "media": offers}
                | parameters
            ),
        )


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    assert [message["seq"] for message in client.got] == list(range(1, len(client.got) + 1))


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        ([EXTERNAL, STEREO, INVERTED], STEREO),
        ([EXTERNAL, INVERTED, STEREO], INVERTED),
        ([INTERNAL, EXTERNAL], EXTERNAL),
        ([INTERNAL], INTERNAL),
        ([STEREO | {"format": "OPUS"}, STEREO | {"format": "L16"}], STEREO | {"format": "L16"}),
        ([STEREO | {"channels": "external"}, {}, STEREO | {"future": {"x": [1]}}], STEREO | {"future": {"x": [1]}}),
    ],
)
def test_one_offer_is_taken_as_it_stands(client: Client, offers: list[Any], chosen: dict[str, Any]) -> None:
    (opened,) = client.open(*offers)
    assert opened["type"] == "opened"
    assert opened["parameters"]["media"] == [chosen]
    names = {"external": Channel.CALLER, "internal": Channel.AGENT}
    assert client.decoder.channels == tuple(names[name] for name in chosen["channels"])


@pytest.mark.parametrize("offers", [[STEREO | {"format": "OPUS"}], [STEREO | {"rate": "8000"}], [7], "PCMU"])
def test_without_a_usable_offer_the_client_hears_why(client: Client, offers: Any) -> None:
    with pytest.raises(GatewayProtocolError, match="No offered media"):
        client.open(media=offers)
    assert client.got[-1]["type"] == "disconnect"
    assert client.got[-1]["parameters"]["reason"] == "error"
    assert client.events == []


def test_a_pong_names_the_number_of_its_ping(client: Client) -> None:
    client.open()
    for _ in range(3):
        (pong,) = client.say("ping")
        assert (pong["type"], pong["clientseq"]) == ("pong", client.seq)


@pytest.mark.parametrize(
    ("envelope", "told"),
    [
        ({"seq": 1}, "has seq 1 after 1"),
        ({"seq": 3}, "has seq 3 after 1"),
        ({"seq": "x"}, "not of AudioHook version 2"),
        ({"serverseq": 9}, "has serverseq 9, but only 1 were sent"),
        ({"serverseq": -1}, "has serverseq -1"),
        ({"version": "3"}, "not of AudioHook version 2"),
        ({"type": None}, "not of AudioHook version 2"),
        ({"id": "another"}, "id changed"),
        ({"id": None}, "no session id"),
    ],
)
def test_a_broken_envelope_ends_the_session_with_a_reason(client: Client, envelope: dict[str, Any], told: str) -> None:
    client.open()
    with pytest.raises(GatewayProtocolError, match=told):
        client.say("ping", envelope=envelope)
    assert client.got[-1]["type"] == "disconnect"
    assert told in client.got[-1]["parameters"]["info"]
    assert client.decoder.closing is not None
    assert [event.reason for event in client.decoder.end(1005)] == ["protocol_error"]


@pytest.mark.parametrize("text", ["{", "[]", "null", "\ud800"])
def test_text_that_is_not_an_object_ends_the_session_with_a_reason(client: Client, text: str) -> None:
    client.open()
    with pytest.raises(GatewayProtocolError):
        client.send(text)
    assert client.got[-1]["parameters"]["reason"] == "error"


def test_headers_and_messages_must_agree() -> None:
    headers = {"audiohook-session-id": SESSION.upper(), "audiohook-organization-id": "org"}
    assert Client(headers=headers).open()[0]["type"] == "opened"
    with pytest.raises(GatewayProtocolError, match="Audiohook-Organization-Id"):
        Client(headers=headers).open(organizationId="other")
    with pytest.raises(GatewayProtocolError, match="Audiohook-Session-Id"):
        Client(headers=headers | {"audiohook-session-id": "7"}).open()


def test_audio_before_the_session_is_open_is_refused(client: Client) -> None:
    with pytest.raises(GatewayProtocolError, match="before the session was open"):
        client.send(b"\xff" * 320)
    assert client.got[-1]["type"] == "disconnect"


def test_odd_frames_are_skipped_and_empty_ones_are_nothing(client: Client) -> None:
    client.open()
    for frame in (b"", b"\x80" * 3, b"\x80\x00" * 8_192):
        client.send(frame)
    assert client.decoder.counts.faults == 1
    assert [len(event.samples) for event in client.events[1:]] == [8_192, 8_192]


def test_the_clock_follows_the_positions() -> None:
    client = Client()
    client.open()
    client.send(b"\x80\x00" * 800)
    client.say("ping", position="PT0.15S")  # overtaken by 50 ms: no gap
    client.send(b"\x80\x00" * 800)
    client.say("paused", position="PT0.2S")
    client.say("resumed", position="PT0.2S", start="PT0.2S", discarded="PT1M")
    client.send(b"\x80\x00" * 800)
    client.say("ping", position="PT65.3S")  # 5 s ahead of the audio: that much never came
    client.send(b"\x80\x00" * 800)
    client.say("ping", position="PT0S")  # never back
    client.send(b"\x80\x00" * 800)
    starts = [event.first_sample / 8_000 for event in client.events[1:] if event.channel is Channel.CALLER]
    assert starts == [0.0, 0.1, 60.2, 65.3, 65.4]


@pytest.mark.parametrize("nonsense", ["PT", "PT-1S", "1S", "PT1e5S", "PT999999999999S", 5, None, {"a": 1}])
def test_positions_that_say_nothing_are_ignored(client: Client, nonsense: Any) -> None:
    client.open()
    client.say("discarded", start=nonsense, discarded=nonsense, envelope={"position": nonsense})
    client.send(b"\x80\x00")
    assert client.events[1].first_sample == 0


def test_a_session_that_breaks_off_may_come_back(client: Client) -> None:
    client.open()
    assert [event.reason for event in client.decoder.end(1000)] == ["connection_lost"]


@pytest.mark.parametrize(
    ("reason", "noted"),
    [("end", "end"), ("error", "error"), ("disconnect", "disconnect"), ("reconnect", "connection_lost"), ("?", "end")],
)
def test_close_is_answered_and_ends_the_call(client: Client, reason: str, noted: str) -> None:
    client.open()
    (closed,) = client.say("close", reason=reason)
    assert closed["type"] == "closed"
    assert client.events[-1].reason == noted
    assert client.decoder.closing is not None
    assert client.decoder.closing.code == 1000
    assert client.decoder.end(1005) == []


def test_unknown_types_and_a_second_open_do_no_harm(client: Client) -> None:
    client.open()
    assert client.say("dtmf", digit="5") == []
    assert client.say("hologram") == []
    assert client.open() == []
    assert client.say("error", code=429, message="slow down", retryAfter="PT1S") == []
    assert client.say("ping")[0]["type"] == "pong"
    assert client.decoder.counts.unknown == 2


def test_hanging_up_asks_the_client_to_close(client: Client) -> None:
    client.open()
    client.decoder.hang_up("server restarts")
    (disconnect,) = client.read()
    assert (disconnect["type"], disconnect["parameters"]["reason"]) == ("disconnect", "completed")
    assert client.decoder.closing is None
    assert client.say("close", reason="disconnect")[0]["type"] == "closed"


def test_a_client_that_does_not_close_when_asked_is_hung_up() -> None:
    client = Client()
    client.open()
    client.decoder.hang_up("server restarts")
    assert [event.reason for event in client.decoder.end(None)] == ["hung_up"]


def test_hanging_up_before_the_session_is_open_just_closes() -> None:
    client = Client()
    client.decoder.hang_up("server restarts")
    assert client.read() == []
    assert client.decoder.closing is not None


def utterance(text: str = "Hello there", **fields: Any) -> ScoredUtterance:
    words = tuple(
        Word(text=f" {word}", start_s=10.0 + n, end_s=10.5 + n, prob=0.9) for n, word in enumerate(text.split())
    )
    transcript = Transcript(text=text, language="en", words=words, avg_logprob=-0.1)
    known: dict[str, Any] = {"channel": Channel.CALLER, "index": 3, "transcript": transcript} | fields
    return ScoredUtterance(
        call_id="conv-1", start_s=10.0, end_s=12.25, decided_s=13.0, speech_s=2.0, score=None, **known
    )


@pytest.mark.parametrize(
    ("config", "parameters", "wanted"),
    [
        ({}, {}, False),
        ({}, {"supportedLanguages": True}, True),
        ({}, {"customConfig": {"transcripts": True}}, True),
        ({"transcripts": "always"}, {}, True),
        ({"transcripts": "never"}, {"supportedLanguages": True}, False),
    ],
)
def test_transcripts_go_to_clients_that_ask(config: dict[str, Any], parameters: dict[str, Any], wanted: bool) -> None:
    client = Client(**config)
    client.open(INVERTED, **parameters)
    assert client.decoder.wants_transcripts is wanted
    assert client.decoder.call is not None
    assert client.decoder.call.word_times is wanted, "words are timed for those who are told of them"
    client.decoder.transcribed(utterance())
    assert bool(client.read()) is wanted


def test_a_transcript_carries_offsets_and_words() -> None:
    client = Client(transcripts="always")
    client.open(INVERTED)
    client.decoder.transcribed(utterance(), offset_s=4.0)
    (event,) = client.read()
    (entity,) = event["parameters"]["entities"]
    assert event["type"] == "event"
    assert entity["type"] == "transcript"
    data = entity["data"]
    assert (data["channelId"], data["isFinal"], data["offset"], data["duration"]) == (1, True, "PT6S", "PT2.25S")
    (alternative,) = data["alternatives"]
    assert alternative["confidence"] == pytest.approx(0.905, abs=0.001)
    assert alternative["languages"] == ["en"]
    (interpretation,) = alternative["interpretations"]
    assert interpretation["transcript"] == "Hello there"
    assert interpretation["tokens"][1] == {
        "type": "word",
        "value": "there",
        "confidence": 0.9,
        "offset": "PT7S",
        "duration": "PT0.5S",
    }


def test_a_masked_word_is_told_as_its_mark() -> None:
    client = Client(transcripts="always")
    client.open()
    said = utterance("card 4111 1111 1111 1111 please")
    assert said.transcript is not None
    client.decoder.transcribed(replace(said, transcript=Redactor().redact(said.transcript, channel=Channel.CALLER)))
    (event,) = client.read()
    assert "1111" not in json.dumps(event)
    (interpretation,) = event["parameters"]["entities"][0]["data"]["alternatives"][0]["interpretations"]
    assert [(one["value"], one["offset"], one["duration"]) for one in interpretation["tokens"]] == [
        ("card", "PT10S", "PT0.5S"),
        ("[card]", "PT11S", "PT3.5S"),
        ("please", "PT15S", "PT0.5S"),
    ]


def test_the_offsets_of_words_count_what_was_discarded() -> None:
    """The decoder moves its clock on, so that what is heard later lies later: on the client's own clock."""
    client = Client(transcripts="always")
    client.open(position="PT3S")
    client.say("discarded", position="PT3S", start="PT3S", discarded="PT2S")
    client.send(b"\x80\x00" * 80)
    chunk = next(event for event in client.events if isinstance(event, AudioChunk))
    at_s = chunk.first_sample / chunk.sample_rate_hz
    word = Word(text="Hello", start_s=at_s, end_s=at_s + 0.25, prob=0.9)
    said = utterance(transcript=Transcript(text="Hello", language="en", words=(word,)))
    client.decoder.transcribed(replace(said, start_s=at_s, end_s=at_s + 1.0))
    data = client.read()[-1]["parameters"]["entities"][0]["data"]
    (token,) = data["alternatives"][0]["interpretations"][0]["tokens"]
    assert (data["offset"], token["offset"], token["duration"]) == ("PT5S", "PT5S", "PT0.25S")


def test_only_what_was_said_is_told() -> None:
    client = Client(transcripts="always")
    client.open(EXTERNAL)
    silent = Transcript(text="", language="en", rejected="no_speech")
    for said in (utterance(transcript=None), utterance(transcript=silent), utterance(channel=Channel.AGENT)):
        client.decoder.transcribed(said)
    assert client.read() == []


def test_the_last_transcripts_come_before_closed() -> None:
    client = Client(transcripts="always")
    client.open()
    assert client.say("close", reason="end") == []
    assert client.decoder.finishing
    assert client.decoder.closing is None
    client.decoder.transcribed(utterance())
    client.decoder.finish()
    assert [message["type"] for message in client.read()] == ["event", "closed"]
    assert not client.decoder.finishing
    assert client.decoder.closing is not None
    client.decoder.transcribed(utterance())
    client.decoder.finish()
    assert client.read() == []


def test_a_transcript_never_exceeds_the_longest_text() -> None:
    client = Client(transcripts="always")
    client.open()
    client.decoder.transcribed(utterance("word " * 5_000))
    (reply,) = client.decoder.replies()
    assert len(reply) <= 65_535
    interpretation = json.loads(reply)["parameters"]["entities"][0]["data"]["alternatives"][0]["interpretations"][0]
    assert "tokens" not in interpretation


def test_a_probe_is_no_call() -> None:
    outcome = play(make_decoder("audiohook", config={"transcripts": "always"}), [])
    assert outcome.events == []
    client = Client(transcripts="always")
    null = "00000000-0000-0000-0000-000000000000"
    assert client.open(conversationId=null, participant={"id": null})[0]["type"] == "opened"
    assert client.send(b"") == []
    assert client.send(b"\x80\x00" * 80) == []
    assert client.say("close", reason="end")[0]["type"] == "closed"
    assert client.events == []


def test_a_client_that_does_not_read_its_transcripts_is_cut_off_without_an_error() -> None:
    client = Client(transcripts="always", limits=DecoderLimits(replies=8))
    client.open()
    for _ in range(9):
        client.decoder.transcribed(utterance())
    assert client.decoder.closing is not None
    assert client.decoder.counts.dropped_replies == 9
    client.decoder.finish()
    client.decoder.hang_up("over")
    assert [json.loads(reply)["type"] for reply in client.decoder.replies()] == ["disconnect"]
