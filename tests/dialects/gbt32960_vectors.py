"""Frames of GB/T 32960 written byte by byte from the field tables of the standard, and what they mean.

The tables: GB/T 32960.3-2016, table 2 (frame), 9 (vehicle), 14 (location), 16 (extreme values); for the edition of
2025 the layout that emqx/emqx, `apps/emqx_gateway_gbt32960`, states.
"""

VIN = "LTESTVAN000000001"
VIN_HEX = "4C54455354 56414E 303030303030303031"
TIME = "1A 03 09 0E 05 1E"
"""2026-03-09 14:05:30 by the clock of the van, in UTC+8."""
EVENT_MS = 1773036330000
"""2026-03-09T06:05:30Z."""
VEHICLE_HEAD = """
01                     vehicle
01 03 01               started, not charging, electric
019F                   415: 41.5 km/h
0001F742               128,834: 12,883.4 km
1506                   5,382: 538.2 V
2A71                   10,865: 86.5 A above -1,000 A
3E                     62 %
01 2E 1388             DC/DC works, gear D with driving force, 5,000 kOhm
"""
PLACE = """
00CC8B1A               13,404,954: 13.404954 degrees east
03216708               52,520,712: 52.520712 degrees north
"""
BLOCKS_2016 = f"""
{VEHICLE_HEAD}
12 00                  accelerator 18 %, brake 0 %
02 01                  one motor
01 02 50 5DC0 5014 52 1500 2710
05 00                  location: valid, north, east
{PLACE}
06                     extreme values
01 0A 0E74 01 14 0E60  highest and lowest cell voltage
01 03 43 01 07 3F      highest 67: 27 C, lowest 63: 23 C
07 00 00000000 00 00 00 00  no alarm
"""
BLOCKS_2025 = f"""
{VEHICLE_HEAD}
02 01                  one motor
01 02 50 7D00 00030D40 52
05 00 01               location: valid, north, east, WGS 84
{PLACE}
06 00 00000000 00 00 00 00 01 04 02   one general fault
07 01 01 1506 2A71 0002 0E74 0E60     one pack, two cells
08 01 01 0003 43 41 3F                one pack, probes at 27, 25 and 23 C
"""


def octets(text: str) -> bytes:
    """The bytes of lines that hold hexadecimal digits and, behind two spaces, words."""
    return bytes.fromhex("".join(line.strip().partition("  ")[0] for line in text.strip().splitlines()))


def frame(command: int, data: bytes, *, edition: int = 2016, vin: str = VIN_HEX, encryption: int = 1) -> bytes:
    """A frame with a right check, made without the code under test."""
    content = bytes([command, 0xFE]) + bytes.fromhex(vin) + bytes([encryption, len(data) >> 8, len(data) & 0xFF]) + data
    check = 0
    for octet in content:
        check ^= octet
    return (b"##" if edition == 2016 else b"$$") + content + bytes([check])


def report(blocks: str = BLOCKS_2016, *, time: str = TIME, command: int = 2, **head: object) -> bytes:
    """A report with these blocks."""
    return frame(command, bytes.fromhex(time) + octets(blocks), **head)  # type: ignore[arg-type]


LOGIN = frame(1, bytes.fromhex(f"{TIME} 0001") + b"89860000000000000000" + bytes([0, 0]))
"""Sequence 1, an ICCID of 20 digits, no packs."""
LOGIN_ANSWER = bytes.fromhex(f"2323 01 01 {VIN_HEX} 01 0006 {TIME} 30")
"""The same head with flag 0x01, and the time alone.

The check by hand: 01 ^ 01 = 00. The letters of the VIN give 03, its nine digits 31, together 32. With the encryption 01
it is 33, with the length 00 06 it is 35. The time gives 05, so it is 30.
"""
