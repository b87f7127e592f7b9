"""The listener for GB/T 32960 on real connections: who may sign in, what is answered and when."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.commands.parts import listener_of
from agent.config import FleetFile, Settings
from agent.errors import SettingsError
from agent.gbt32960 import connection as connections
from agent.gbt32960 import listener as listeners
from agent.gbt32960.listener import Listener, ReportDelivery
from agent.listener_settings import Gbt32960Settings
from agent.shard.opening import roster_of
from tests.dialects.gbt32960_vectors import LOGIN, LOGIN_ANSWER, TIME, frame, report
from tests.mqtt.waiting import until
from tests.servers.certificates import Authority

OTHER_HEX = "4C54455354 56414E 303030303030303032"
"""The VIN LTESTVAN000000002."""
SECONDS = 60.0


class Desk:
    """A running listener; the log is played by the test, which acknowledges when it likes."""

    def __init__(self, **settings: Any) -> None:
        fleet = settings.pop("fleet", None)
        made = Settings.model_construct(
            gbt32960=Gbt32960Settings.model_validate({"listen": "127.0.0.1:0"} | settings),
            fleet=Settings().fleet.model_copy(update={"unknown_vehicles": "reject" if fleet else "accept"}),
        )
        listener = listener_of(made, roster_of(made, FleetFile.model_validate(fleet or {})))
        assert listener is not None
        self.listener: Listener = listener
        self.waiting: list[ReportDelivery] = []
        self.writers: list[asyncio.StreamWriter] = []

    def delivered(self, delivery: Any) -> None:
        self.waiting.append(delivery)

    def acknowledge(self) -> None:
        for delivery in self.waiting:
            self.listener.acknowledge(delivery)
        self.waiting.clear()

    async def payloads(self, number: int) -> list[bytes]:
        """The payloads of all reports that wait for the log, once they are so many."""
        await until(lambda: sum(len(each.messages) for each in self.waiting) >= number)
        return [message.payload for each in self.waiting for message in each.messages]


@asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[Desk]:
    desk = Desk(**settings)
    running = asyncio.create_task(desk.listener.run(desk.delivered), name="listener")
    await until(lambda: desk.listener.port or running.done())
    try:
        yield desk
    finally:
        for writer in desk.writers:
            writer.close()
        desk.listener.stop()
        await running
        desk.acknowledge()
        await until(lambda: not desk.listener.counters.connections)


class Van:
    """A terminal on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, desk: Desk, tls: ssl.SSLContext | None = None) -> "Van":
        van = cls(*await asyncio.open_connection("127.0.0.1", desk.listener.port, ssl=tls))
        desk.writers.append(van.writer)
        return van

    async def ask(self, sent: bytes) -> bytes:
        """Send a frame and return the frame that comes back."""
        self.writer.write(sent)
        return await self.answer()

    async def answer(self) -> bytes:
        async with asyncio.timeout(SECONDS):
            head = await self.reader.readexactly(24)
            return head + await self.reader.readexactly(int.from_bytes(head[22:24]) + 1)

    async def hangs_up(self) -> bool:
        """Whether the agent has closed the connection."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read(1) == b""


async def test_a_login_is_answered_with_its_own_time() -> None:
    async with listening() as desk:
        assert await (await Van.connect(desk)).ask(LOGIN) == LOGIN_ANSWER


async def test_a_report_is_answered_once_it_is_in_the_log() -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        await van.ask(LOGIN)
        van.writer.write(report() + report(command=3))
        assert await desk.payloads(2) == [report(), report(command=3)]
        # A heartbeat is answered at once. Its answer comes first although it was sent later.
        assert (await van.ask(frame(7, b"")))[2:4] == b"\x07\x01"
        desk.acknowledge()
        for command in (b"\x02", b"\x03"):
            answer = await van.answer()
            assert (answer[2:4], answer[24:-1]) == (command + b"\x01", bytes.fromhex(TIME))
        assert (desk.listener.counters.reports, desk.listener.counters.answered) == (2, 2)
        assert desk.listener.counters.bytes_passed_over == 0


async def test_a_report_that_is_not_taken_in_is_refused() -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        await van.ask(LOGIN)
        van.writer.write(report() + report(command=3))
        await desk.payloads(2)
        (delivery,) = desk.waiting
        delivery.refused = frozenset({1})
        desk.acknowledge()
        assert [(await van.answer())[2:4] for _ in range(2)] == [b"\x02\x01", b"\x03\x02"]


@pytest.mark.parametrize(("edition", "flag"), [(2016, 0x02), (2025, 0x07)])
async def test_an_encrypted_report_is_kept_and_answered_as_one_that_cannot_be_used(edition: int, flag: int) -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        await van.ask(LOGIN)
        van.writer.write(report(edition=edition, encryption=3))
        await desk.payloads(1)
        desk.acknowledge()
        assert (await van.answer())[3] == flag


async def test_a_request_for_the_time_is_answered_in_the_zone_of_the_vans() -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        await van.ask(LOGIN)
        before = datetime.now(UTC).replace(microsecond=0)
        year, *rest = (await van.ask(frame(8, b"")))[24:-1]
        shown = datetime(2000 + year, *rest, tzinfo=UTC) - timedelta(hours=8)
        assert before <= shown <= datetime.now(UTC)


@pytest.mark.parametrize("first", [report(), frame(7, b""), frame(4, bytes.fromhex(f"{TIME} 0001"))])
async def test_who_has_not_signed_in_is_refused(first: bytes) -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        assert (await van.ask(first))[3] == 0x02
        assert await van.hangs_up()
        assert not desk.waiting


async def test_a_van_cannot_report_for_another_one() -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        await van.ask(LOGIN)
        assert (await van.ask(report(vin=OTHER_HEX)))[3] == 0x02
        assert await van.hangs_up()
        assert not desk.waiting


@pytest.mark.parametrize(("edition", "flag"), [(2016, 0x02), (2025, 0x04)])
async def test_a_van_that_the_fleet_file_lacks_is_unknown(edition: int, flag: int) -> None:
    async with listening(fleet={"vans": {"van-7": {"identities": ["LTESTVAN000000001"]}}}) as desk:
        login = bytes.fromhex(f"{TIME} 0001") + bytes(22)
        stranger = await Van.connect(desk)
        assert (await stranger.ask(frame(1, login, edition=edition, vin=OTHER_HEX)))[3] == flag
        assert await stranger.hangs_up()
        assert await (await Van.connect(desk)).ask(LOGIN) == LOGIN_ANSWER


async def test_the_newer_connection_of_a_van_wins() -> None:
    async with listening() as desk:
        former, newer = await Van.connect(desk), await Van.connect(desk)
        await former.ask(LOGIN)
        await newer.ask(LOGIN)
        assert await former.hangs_up()
        assert (await newer.ask(frame(7, b"")))[3] == 0x01
        assert desk.listener.counters.connections == 1


async def test_a_logout_ends_the_connection_once_all_reports_are_answered() -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        await van.ask(LOGIN)
        van.writer.write(report())
        assert (await van.ask(frame(4, bytes.fromhex(f"{TIME} 0001"))))[2:4] == b"\x04\x01"
        await desk.payloads(1)
        desk.acknowledge()
        assert (await van.answer())[2:4] == b"\x02\x01"
        assert await van.hangs_up()


async def test_a_connection_that_breaks_does_not_disturb_the_others() -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        await van.ask(LOGIN)
        broken = await Van.connect(desk)
        login = bytes.fromhex(f"{TIME} 0001") + bytes(22)
        await broken.ask(frame(1, login, vin=OTHER_HEX))
        broken.writer.write(report(vin=OTHER_HEX))
        await desk.payloads(1)
        # With this option a close sends RST: the connection is gone without a word.
        broken.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        broken.writer.transport.abort()
        desk.listener.pause()
        desk.acknowledge()
        desk.listener.resume()
        await until(lambda: desk.listener.counters.connections == 1)
        assert desk.listener.counters.answered + desk.listener.counters.unanswered == 1
        assert (await van.ask(frame(7, b"")))[3] == 0x01


def platform_login(password: bytes) -> bytes:
    head = bytes.fromhex(f"{TIME} 0001")
    return frame(5, head + b"cainiao".ljust(12, b"\0") + password.ljust(20, b"\0") + b"\x01", vin="00" * 17)


async def test_a_platform_forwards_many_vans() -> None:
    async with listening(username="cainiao", password="parcels-2026") as desk:
        platform = await Van.connect(desk)
        assert (await platform.ask(platform_login(b"parcels-2026")))[2:4] == b"\x05\x01"
        assert await platform.ask(LOGIN) == LOGIN_ANSWER
        platform.writer.write(report() + report(vin=OTHER_HEX))
        await desk.payloads(2)
        topics = [message.topic for each in desk.waiting for message in each.messages]
        assert topics == ["gbt32960/LTESTVAN000000001/frame", "gbt32960/LTESTVAN000000002/frame"]
        logout = bytes.fromhex(f"{TIME} 0001")
        assert (await platform.ask(frame(4, logout)))[3] == 0x01
        desk.acknowledge()
        assert bytes.fromhex(OTHER_HEX) == [await platform.answer() for _ in range(2)][1][4:21]
        assert (await platform.ask(frame(6, logout, vin="00" * 17)))[3] == 0x01
        assert await platform.hangs_up()


@pytest.mark.parametrize("settings", [{}, {"username": "cainiao", "password": "parcels-2026"}])
async def test_a_platform_with_a_wrong_password_is_refused(settings: dict[str, str]) -> None:
    async with listening(**settings) as desk:
        platform = await Van.connect(desk)
        assert (await platform.ask(platform_login(b"guess")))[3] == 0x02
        assert await platform.hangs_up()


async def test_a_paused_listener_reads_nothing() -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        await van.ask(LOGIN)
        desk.listener.pause()
        late = await Van.connect(desk)
        van.writer.write(report())
        late.writer.write(frame(1, bytes.fromhex(f"{TIME} 0001") + bytes(22), vin=OTHER_HEX))
        answer = asyncio.ensure_future(late.answer())
        await asyncio.wait([answer], timeout=0.2)
        assert not answer.done()
        assert not desk.waiting
        desk.listener.resume()
        assert await desk.payloads(1) == [report()]
        assert (await answer)[3] == 0x01


async def test_reports_that_wait_for_the_log_are_bounded() -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        await van.ask(LOGIN)
        number = 5_000
        sending = asyncio.ensure_future(_send_all(van, report() * number))
        await desk.payloads(connections.MOST_UNANSWERED)
        # One read of the socket may bring more than the limit; nothing is read after it.
        await asyncio.wait([sending], timeout=0.2)
        most = sum(len(each.messages) for each in desk.waiting)
        assert most < connections.MOST_UNANSWERED + 300_000 // len(report())
        answers = asyncio.ensure_future(_count_answers(van, number))
        while not answers.done():
            desk.acknowledge()
            await asyncio.sleep(0)
        assert await answers == number
        assert sending.done()


async def _send_all(van: Van, content: bytes) -> None:
    van.writer.write(content)
    await van.writer.drain()


async def _count_answers(van: Van, number: int) -> int:
    for _ in range(number):
        await van.answer()
    return number


async def test_connections_are_bounded() -> None:
    async with listening(max_connections=1) as desk:
        first, second = await Van.connect(desk), await Van.connect(desk)
        assert await second.hangs_up()
        assert await first.ask(LOGIN) == LOGIN_ANSWER


async def test_connections_of_one_address_that_do_not_sign_in_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "MOST_STRANGERS", 3)
    async with listening() as desk:
        vans = [await Van.connect(desk) for _ in range(3)]
        await until(lambda: desk.listener.counters.connections == 3)
        assert await (await Van.connect(desk)).hangs_up()
        assert desk.listener.counters.refused_connections == 1
        # One signs in, one leaves: there is room for two more.
        assert await vans[0].ask(LOGIN) == LOGIN_ANSWER
        vans[1].writer.close()
        await until(lambda: desk.listener.counters.connections == 2)
        more = [await Van.connect(desk) for _ in range(2)]
        await until(lambda: desk.listener.counters.connections == 4)
        assert desk.listener.counters.refused_connections == 1
        assert await (await Van.connect(desk)).hangs_up()
        assert not more[0].reader.at_eof()


async def test_who_never_signs_in_or_falls_silent_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "SWEEP_S", 0.02)
    monkeypatch.setattr(listeners, "LOGIN_S", 0.1)
    async with listening() as desk:
        mute = await Van.connect(desk)
        assert await mute.hangs_up()
        van = await Van.connect(desk)
        await van.ask(LOGIN)
        monkeypatch.setattr(listeners, "SILENT_S", 0.1)
        assert await van.hangs_up()


async def test_rubbish_ends_the_connection() -> None:
    async with listening() as desk:
        van = await Van.connect(desk)
        van.writer.write(b"GET / HTTP/1.1\r\n" * 5000)
        assert await van.hangs_up()
        assert desk.listener.counters.bytes_passed_over > connections.MOST_PASSED_OVER


async def test_tls_with_the_certificate_of_the_van(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("vanpulse", hosts=("IP:127.0.0.1",))
    own = authority.issue("van-7")
    files = {"cert_file": server.cert_file, "key_file": server.key_file, "ca_file": authority.cert_file}
    async with listening(**files) as desk:
        trusting = ssl.create_default_context(cafile=str(authority.cert_file))
        stranger = await Van.connect(desk, trusting)
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await stranger.ask(LOGIN)
        trusting.load_cert_chain(own.cert_file, own.key_file)
        assert await (await Van.connect(desk, trusting)).ask(LOGIN) == LOGIN_ANSWER


async def test_an_address_in_use_is_a_wrong_setting() -> None:
    async with listening() as desk:
        second = Desk(listen=f"127.0.0.1:{desk.listener.port}")
        with pytest.raises(SettingsError, match=r"gbt32960.listen: 127.0.0.1:\d+: "):
            await second.listener.run(second.delivered)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cert_file": "a.pem"}, "set both"),
        ({"ca_file": "a.pem"}, "needs cert_file"),
        ({"username": "cainiao"}, "set both"),
        ({"username": "x" * 13, "password": "y"}, "12 bytes"),
        ({"username": "x", "password": "y" * 21}, "20 bytes"),
        ({"listen": "127.0.0.1:70000"}, "above 65535"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Gbt32960Settings.model_validate(settings)
