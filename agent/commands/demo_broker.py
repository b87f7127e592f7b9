"""The demo's MQTT broker: amqtt on the loopback interface, in a process of its own. It may lose messages."""

import asyncio
import contextlib
import logging
import signal
import sys

from amqtt.broker import Broker

_CONFIG = {
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}


async def serve(port: int) -> None:
    """Serve MQTT 3.1.1 on this port of the loopback interface until SIGTERM or SIGINT."""
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    broker = Broker(_CONFIG | {"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}})
    await broker.start()
    await stop.wait()
    with contextlib.suppress(Exception):  # errors of its shutdown are of no use
        async with asyncio.timeout(3):
            await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
