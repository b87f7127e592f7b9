"""Publishes the load over raw MQTT 5: `python -m benchmarks.speed.publisher PORT COUNT VANS RATE [now]`.

RATE 0 is as fast as the broker acknowledges. With `now` each reading's time is the moment it is sent.
"""

import asyncio
import sys
import time

import mqtt5

from benchmarks.speed.load import messages, payload, topic

WINDOW = 1000
AT_ONCE = 200


async def publish(port: int, count: int, vans: int, per_s: float, *, now: bool) -> None:
    """Keep `WINDOW` messages in flight until all are acknowledged."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(mqtt5.ConnectPacket(f"load-{time.time_ns()}").write())
    await reader.read(1024)
    stream = messages(count, vans)
    sent, acked_bytes, began = 0, 0, time.monotonic()
    while acked_bytes < 4 * count:
        due = count if not per_s else min(count, int((time.monotonic() - began) * per_s) + 1)
        room = min(due - sent, WINDOW - (sent - acked_bytes // 4), AT_ONCE)
        if room > 0:
            out = []
            for number in range(sent, sent + room):
                name, body = next(stream)
                if now:
                    van = number % vans
                    name, body = (
                        topic(van),
                        payload(van, number // vans, 0).replace(
                            b'"time":%d' % (number // vans * 10_000 + van % 10_000), b'"time":%d' % (time.time() * 1000)
                        ),
                    )
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
    asyncio.run(publish(PORT, COUNT, VANS, float(sys.argv[4]), now="now" in sys.argv[5:]))
