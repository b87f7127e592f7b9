"""CPU time of receiving only: `python -m benchmarks.receive [MESSAGES] [--protocol 5|3.1.1] [--asyncio]`.

It uses a real Mosquitto and a publisher in a separate process, with QoS 1 and 180 bytes. The receiver builds the
messages and acknowledges them.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import mqtt5
import uvloop

from agent.config import MqttSettings
from agent.mqtt.base import Delivery, ReceiverCounters
from agent.mqtt.connect import make_receiver
from agent.mqtt.options import MqttOptions
from agent.mqtt.packet_decoder import PacketDecoder
from agent.mqtt.packets import acknowledgements
from tests.mqtt.waiting import until
from tests.servers.mosquitto import Mosquitto

PAYLOAD_BYTES = 180
WINDOW = 2000


def packets(count: int) -> list[bytes]:
    return [
        mqtt5.PublishPacket(
            f"vans/van-{index % 1000:04d}/telemetry",
            b"x" * PAYLOAD_BYTES,
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            packet_id=index % 60_000 + 1,
        ).write()
        for index in range(count)
    ]


async def publish(port: int, count: int) -> None:
    """Publish as fast as the broker accepts messages, with `WINDOW` in flight."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(mqtt5.ConnectPacket("benchmark-publisher").write())
    await reader.read(1024)
    publishes, sent, acked_bytes = packets(count), 0, 0
    while acked_bytes < 4 * count:
        room = min(count - sent, WINDOW - (sent - acked_bytes // 4), 500)
        if room > 0:
            writer.write(b"".join(publishes[sent : sent + room]))
            sent += room
        acked_bytes += len(await reader.read(65_536))
    writer.close()


def decode_alone(count: int) -> float:
    """CPU microseconds per message of decoding reads of 64 KiB and packing the acknowledgements: no socket."""
    stream = b"".join(packets(count))
    reads = [stream[start : start + 65_536] for start in range(0, len(stream), 65_536)]
    decoder = PacketDecoder(
        max_packet_bytes=65_536, hard_limit_bytes=2**20, counters=ReceiverCounters(), on_control=lambda _: False
    )
    before_s = time.process_time()
    for data in reads:
        messages: list[object] = []
        packet_ids: list[int] = []
        decoder.feed(data, messages, packet_ids)  # type: ignore[arg-type]
        acknowledgements(packet_ids)
    return (time.process_time() - before_s) / count * 1e6


async def receive(port: int, count: int, protocol: str) -> tuple[float, float, float]:
    """CPU microseconds per message, messages per delivery, messages per second."""
    settings = MqttSettings(
        url=f"mqtt://127.0.0.1:{port}",
        protocol=protocol,
        client_id="benchmark",
        receive_maximum=WINDOW,
        session_expiry_s=60,
    )
    receiver = make_receiver(MqttOptions.from_settings(settings, ["vans/#"]))
    received = deliveries = 0
    done = asyncio.Event()

    def take(delivery: Delivery) -> None:
        nonlocal received, deliveries
        received += len(delivery.messages)
        deliveries += 1
        receiver.acknowledge(delivery)
        if received >= count:
            done.set()

    running = asyncio.create_task(receiver.run(take))
    await until(lambda: receiver.counters.subscribed_since_ms)
    publisher = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.receive", str(count), "--publish", str(port)
    )
    await until(lambda: received)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await done.wait()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    await publisher.wait()
    await receiver.stop()
    await running
    return cpu_s / count * 1e6, count / deliveries, count / wall_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("messages", type=int, nargs="?", default=100_000)
    parser.add_argument("--protocol", default="5")
    parser.add_argument("--asyncio", action="store_true", help="asyncio's own event loop instead of uvloop")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--publish", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.publish:
        asyncio.run(publish(arguments.publish, arguments.messages))
        return
    alone_us = min(decode_alone(arguments.messages) for _ in range(arguments.repeat))
    print(f"decode and acknowledge, no socket: {alone_us:.2f} µs CPU per message")
    run = asyncio.run if arguments.asyncio else uvloop.run
    with tempfile.TemporaryDirectory() as directory, Mosquitto(Path(directory), max_queued_messages=100_000) as broker:
        for _ in range(arguments.repeat):
            cpu_us, batch, rate = run(receive(broker.port, arguments.messages, arguments.protocol))
            print(f"{cpu_us:.2f} µs CPU per message, {batch:.0f} messages per delivery, {rate:,.0f} messages/s")


if __name__ == "__main__":
    main()
