"""Publishes the load over raw MQTT 5: `… publisher PORT COUNT VANS RATE START_MS FIRST_TURN PERIOD_MS`.

RATE 0 means as fast as the broker acknowledges. With START_MS 0 the time of each reading is its sending time.
"""

import asyncio
import sys
import time

import mqtt5

from benchmarks.speed.load import messages

WINDOW = 1000
AT_ONCE = 200


async def publish(
    port: int, count: int, vans: int, per_s: float, *, start_ms: int, first_turn: int, period_ms: int
) -> None:
    """Keep `WINDOW` messages in flight until all are acknowledged."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(mqtt5.ConnectPacket(f"load-{time.time_ns()}").write())
    await reader.read(1024)
    stream = messages(count, vans, start_ms=start_ms, first_turn=first_turn, period_ms=period_ms)
    sent, acked_bytes, began = 0, 0, time.monotonic()
    while acked_bytes < 4 * count:
        due = count if not per_s else min(count, int((time.monotonic() - began) * per_s) + 1)
        room = min(due - sent, WINDOW - (sent - acked_bytes // 4), AT_ONCE)
        if room > 0:
            out = []
            for number in range(sent, sent + room):
                name, body = next(stream)
                if not start_ms:
                    body = b'{"time":%d' % (time.time() * 1000) + body[body.index(b",") :]
                out.append(
                    mqtt5.PublishPacket(name, body, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number % 60_000 + 1).write()
                )
            writer.write(b"".join(out))
            sent += room
        if sent > acked_bytes // 4 and (room <= 0 or not per_s):
            acked_bytes += len(await reader.read(65_536))
        elif per_s:
            await asyncio.sleep(0.001)
    writer.close()


if __name__ == "__main__":
    PORT, COUNT, VANS = (int(word) for word in sys.argv[1:4])
    START_MS, FIRST_TURN, PERIOD_MS = (int(word) for word in sys.argv[5:8])
    asyncio.run(
        publish(PORT, COUNT, VANS, float(sys.argv[4]), start_ms=START_MS, first_turn=FIRST_TURN, period_ms=PERIOD_MS)
    )
