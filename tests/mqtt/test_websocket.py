"""MQTT over WebSocket: with a real Mosquitto, and with web servers that answer otherwise."""

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mqtt5
import pytest
from aiohttp import WSMsgType, web

from agent.commands.ports import free_port
from agent.mqtt.websocket import LEAST_MESSAGE_BYTES
from tests.mqtt.conftest import Running
from tests.mqtt.fake_broker import publish
from tests.mqtt.waiting import until
from tests.servers.certificates import Authority
from tests.servers.mosquitto import BrokerTls, Mosquitto
from tests.servers.programs import needs

PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


async def drive(running: Running, port: int, protocol: str, **tls: Any) -> None:
    """Subscribe, receive, acknowledge, pause and come back over a WebSocket."""
    address: dict[str, Any] = {"protocol": protocol, "path": "/mqtt", **tls}
    async with (
        running(port, **address) as subject,
        running(port, client_id="van", filters=("none",), **address) as van,
    ):
        await subject.subscribed()
        await van.subscribed()
        for number in range(50):
            assert await van.receiver.publish("vans/a/soc", b"%d" % number * 500, retain=False)
        await subject.received(50)
        assert subject.payloads == [b"%d" % number * 500 for number in range(50)]
        subject.receiver.pause()
        assert await van.receiver.publish("vans/a/soc", b"held", retain=False)
        subject.receiver.resume()
        await subject.received(51)
    async with running(port, **address) as again:
        await again.subscribed()
        assert again.receiver.limits is not None
        assert again.receiver.limits.session_present


def websocket(port: int, tls: BrokerTls | None = None) -> str:
    """Lines of a further listener. Mosquitto 2.0.11 does not start with listeners of WebSocket alone."""
    files = "" if tls is None else f"certfile {tls.cert_file}\nkeyfile {tls.key_file}\n"
    return f"listener {port} 127.0.0.1\nprotocol websockets\n{files}"


@needs("mosquitto")
@PROTOCOLS
async def test_a_real_broker(tmp_path: Path, running: Running, protocol: str) -> None:
    port = free_port()
    with Mosquitto(tmp_path, extra=websocket(port)):
        await drive(running, port, protocol)


@needs("mosquitto", "openssl")
@PROTOCOLS
async def test_a_real_broker_behind_tls(tmp_path: Path, running: Running, protocol: str) -> None:
    authority = Authority(tmp_path / "authority")
    server = authority.issue("broker", hosts=("IP:127.0.0.1",))
    port = free_port()
    with Mosquitto(tmp_path, extra=websocket(port, BrokerTls(server.cert_file, server.key_file))):
        await drive(running, port, protocol, encrypted=True, ca_file=authority.cert_file)


@needs("mosquitto")
async def test_a_killed_broker_is_found_again(tmp_path: Path, running: Running) -> None:
    port = free_port()
    with Mosquitto(tmp_path, extra=websocket(port)) as broker:
        async with running(port, path="/mqtt") as subject:
            await subject.subscribed()
            broker.kill()
            await until(lambda: not subject.counters.connected)
            broker.start()
            await subject.subscribed()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def web_server(handler: Handler) -> Any:
    app = web.Application()
    app.router.add_get("/mqtt", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


def answering(talk: Callable[[web.WebSocketResponse], Awaitable[None]], *protocols: str) -> Handler:
    """A server that answers CONNECT and SUBSCRIBE and then talks."""

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=protocols, autoping=False)
        await socket.prepare(request)
        assert (await socket.receive()).type is WSMsgType.BINARY
        await socket.send_bytes(mqtt5.ConnAckPacket().write())
        packet, _ = mqtt5.read(memoryview((await socket.receive()).data))
        assert isinstance(packet, mqtt5.SubscribePacket)
        granted = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE
        await socket.send_bytes(mqtt5.SubAckPacket(packet.packet_id, [granted]).write())
        await talk(socket)
        return socket

    return handler


async def test_a_packet_may_be_spread_over_messages_and_a_message_may_hold_many(running: Running) -> None:
    data = b"".join(publish(number, b"%d" % number).write() for number in range(1, 21))

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(data[:3])
        await socket.send_bytes(data[3:100])
        await socket.ping(b"there?")
        await socket.send_bytes(data[100:])
        pong = await socket.receive()
        assert (pong.type, pong.data) == (WSMsgType.PONG, b"there?")
        await socket.send_bytes(publish(21, b"after the pong").write())
        await socket.receive()

    async with web_server(answering(talk, "mqtt")) as port, running(port, path="/mqtt") as subject:
        await subject.received(21)
        assert subject.payloads == [*[b"%d" % number for number in range(1, 21)], b"after the pong"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("text", "broke the rules of WebSocket"),
        (b"x" * (LEAST_MESSAGE_BYTES + 1), "broke the rules of WebSocket"),
    ],
    ids=["text", "too long"],
)
async def test_a_server_that_breaks_the_rules_is_left(running: Running, message: str | bytes, words: str) -> None:
    async def talk(socket: web.WebSocketResponse) -> None:
        if isinstance(message, str):
            await socket.send_str(message)
        else:
            await socket.send_bytes(message)
        await socket.receive()

    async with web_server(answering(talk, "mqtt")) as port, running(port, path="/mqtt") as subject:
        await subject.subscribed()
        await until(lambda: words in subject.counters.last_error)


@pytest.mark.parametrize(("path", "status"), [("/elsewhere", 404), ("/mqtt", 200)])
async def test_another_web_server_is_told_from_a_broker(running: Running, path: str, status: int) -> None:
    async def page(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="Welcome")

    async with web_server(page) as port, running(port, path=path) as subject:
        await until(lambda: f"answered with status {status}: check the path in mqtt.url" in subject.counters.last_error)
        assert subject.receiver.limits is None


@needs("mosquitto")
async def test_a_port_that_speaks_mqtt_without_websocket(tmp_path: Path, running: Running) -> None:
    with Mosquitto(tmp_path) as broker:
        async with running(broker.port, path="/mqtt") as subject:
            await until(lambda: "instead of speaking WebSocket" in subject.counters.last_error)
