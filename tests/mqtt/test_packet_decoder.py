"""The packet decoder, compared with a plain decoder: any split of the bytes, damaged packets, random bytes."""

import mqtt5
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.messages import Message, MessageKind
from agent.mqtt import packets
from agent.mqtt.base import ReceiverCounters
from agent.mqtt.codec import ProtocolError
from agent.mqtt.packet_decoder import PacketDecoder
from tests.mqtt.fake_broker import publish

MAX_PACKET_BYTES = 300
HARD_LIMIT_BYTES = 2000

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
TOPICS = TEXT.filter(lambda topic: topic and "#" not in topic and "+" not in topic)
PUBLISHES = st.builds(
    mqtt5.PublishPacket,
    topic=TOPICS,
    payload=st.binary(max_size=20) | st.binary(min_size=120, max_size=400),
    qos=st.just(mqtt5.QoS.AT_LEAST_ONCE),
    retain=st.booleans(),
    packet_id=st.integers(1, 65_535),
    duplicate=st.booleans(),
    message_expiry_interval=st.none() | st.integers(0, 2**32 - 1),
    content_type=st.none() | TEXT,
    user_properties=st.lists(st.tuples(TEXT, TEXT), max_size=2),
) | st.builds(mqtt5.PublishPacket, topic=TOPICS, payload=st.binary(max_size=200), retain=st.booleans())
CONTROLS = st.sampled_from([mqtt5.PingRespPacket(), mqtt5.PubRelPacket(7)])


def decode(reads: list[bytes]) -> tuple[list[Message], list[int], int]:
    """Decode these reads as one connection does: messages, packet ids, number of control packets."""
    controls = 0

    def on_control(_packet: mqtt5.Packet) -> bool:
        nonlocal controls
        controls += 1
        return False

    decoder = make_decoder(on_control)
    messages: list[Message] = []
    packet_ids: list[int] = []
    for data in reads:
        decoder.feed(data, messages, packet_ids)
    return messages, packet_ids, controls


def make_decoder(on_control: object = lambda _: False) -> PacketDecoder:
    return PacketDecoder(
        max_packet_bytes=MAX_PACKET_BYTES,
        hard_limit_bytes=HARD_LIMIT_BYTES,
        counters=ReceiverCounters(),
        on_control=on_control,  # type: ignore[arg-type]
    )


def plain(frame: bytes) -> tuple[Message, list[int]]:
    """Decode one PUBLISH step by step as the specification says: the oracle."""
    position, remaining, shift = 1, 0, 0
    while True:
        byte = frame[position]
        position += 1
        remaining |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    assert position + remaining == len(frame)
    topic_end = position + 2 + int.from_bytes(frame[position : position + 2], "big")
    topic, position, qos = frame[position + 2 : topic_end].decode(), topic_end, frame[0] >> 1 & 3
    packet_ids = []
    if qos:
        packet_ids.append(int.from_bytes(frame[position : position + 2], "big"))
        position += 2
    properties, shift = 0, 0
    while True:
        byte = frame[position]
        position += 1
        properties |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    payload, kind = frame[position + properties :], MessageKind.PUBLISH
    if len(frame) > MAX_PACKET_BYTES:
        payload, kind = payload[:MAX_PACKET_BYTES], MessageKind.OVERSIZE
    return Message(topic, payload, qos, bool(frame[0] & 1), int(kind)), packet_ids


@given(st.lists(PUBLISHES | CONTROLS, max_size=8), st.data())
@settings(max_examples=300, deadline=None)
def test_any_split_gives_what_the_plain_decoder_gives(sent: list[mqtt5.Packet], data: st.DataObject) -> None:
    frames = [packet.write() for packet in sent]
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    reads = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    messages, packet_ids, controls = decode([read for read in reads if read])
    expected = [plain(frame) for frame, packet in zip(frames, sent, strict=True) if hasattr(packet, "topic")]
    assert messages == [message for message, _ in expected]
    assert packet_ids == [packet_id for _, ids in expected for packet_id in ids]
    assert controls == len(sent) - len(expected)


def test_every_split_of_every_packet_of_a_stream() -> None:
    stream = b"".join([publish(1, b"a" * 130).write(), publish(None, b"b").write(), publish(3, b"").write()])
    whole = decode([stream])
    assert [len(message.payload) for message in whole[0]] == [130, 1, 0]
    for cut in range(1, len(stream)):
        assert decode([stream[:cut], stream[cut:]]) == whole
    assert decode([stream[index : index + 1] for index in range(len(stream))]) == whole


@given(st.binary(max_size=200))
@example(b"\x32\x07\x00\xffabcde")
@settings(max_examples=1000, deadline=None)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_random_bytes_end_in_messages_or_a_protocol_error_and_never_in_growth(data: bytes) -> None:
    decoder = make_decoder()
    messages: list[Message] = []
    packet_ids: list[int] = []
    try:
        decoder.feed(data, messages, packet_ids)
    except ProtocolError:
        return
    assert len(packet_ids) <= len(messages) <= len(data)
    assert len(decoder._rest) <= HARD_LIMIT_BYTES


@given(PUBLISHES, st.data())
@settings(max_examples=500, deadline=None)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_publish_never_takes_its_neighbour_with_it(packet: mqtt5.PublishPacket, data: st.DataObject) -> None:
    frame = bytearray(packet.write())
    first = 1 if len(frame) < 130 else 2
    at = data.draw(st.integers(first + 1, len(frame) - 1))  # after the length field, so the packet's end stays known
    frame[at] = data.draw(st.integers(0, 255))
    messages, packet_ids, _ = decode([bytes(frame) + publish(99, b"neighbour").write()])
    assert len(messages) == 2
    assert messages[1].payload == b"neighbour"
    assert packet_ids[-1] == 99


@pytest.mark.parametrize(
    ("title", "frame", "packet_id"),
    [
        ("QoS 0 has none", b"\x30\x05\x00\x01a\x00p", None),
        ("behind the topic", b"\x32\x06\x00\x01a\x12\x34\x00", 0x1234),
        ("with a length of two bytes", b"\x32\x80\x01\x00\x01a\x12\x34" + b"x" * 123, 0x1234),
        ("topic beyond the end", b"\x32\x06\x00\x09a\x12\x34\x00", None),
        ("no room for it", b"\x32\x04\x00\x01a\x12", None),
        ("zero is none", b"\x32\x06\x00\x01a\x00\x00\x00", None),
        ("empty", b"\x32\x00", None),
    ],
)
def test_packet_id_by_hand(title: str, frame: bytes, packet_id: int | None) -> None:
    assert packets.publish_packet_id(frame) == packet_id, title


@given(st.lists(st.integers(1, 65_535), min_size=1, max_size=50))
def test_acknowledgements_are_what_the_codec_would_write(packet_ids: list[int]) -> None:
    expected = b"".join(b"\x40\x02" + mqtt5.PubAckPacket(packet_id).write()[2:4] for packet_id in packet_ids)
    assert packets.acknowledgements(packet_ids) == expected
    view, position = memoryview(packets.acknowledgements(packet_ids)), 0
    for packet_id in packet_ids:
        packet, length = mqtt5.read(view[position:])
        assert isinstance(packet, mqtt5.PubAckPacket)
        assert packet.packet_id == packet_id
        position += length


@given(
    st.lists(st.tuples(st.integers(1, 65_535), st.booleans()), min_size=1, max_size=50, unique_by=lambda each: each[0])
)
def test_a_refusal_keeps_its_place_among_the_acknowledgements(answers: list[tuple[int, bool]]) -> None:
    refused = frozenset(packet_id for packet_id, is_refused in answers if is_refused)
    written = packets.acknowledgements([packet_id for packet_id, _ in answers], refused)
    view, position = memoryview(written), 0
    for packet_id, is_refused in answers:
        packet, length = mqtt5.read(view[position:])
        assert isinstance(packet, mqtt5.PubAckPacket)
        assert packet.packet_id == packet_id
        assert (packet.reason_code == mqtt5.PubAckReasonCode.QUOTA_EXCEEDED) == is_refused
        position += length
    assert position == len(written)


def test_an_announced_length_beyond_the_limit_is_refused_before_it_is_collected() -> None:
    decoder = make_decoder()
    with pytest.raises(ProtocolError, match="announced a packet of"):
        decoder.feed(b"\x32\x81\x80\x01", [], [])


def test_held_bytes_are_decoded_with_the_next_read() -> None:
    decoder = make_decoder()
    messages: list[Message] = []
    decoder.hold(publish(1, b"held").write())
    assert messages == []
    decoder.feed(b"", messages, [])
    assert [message.payload for message in messages] == [b"held"]
