"""Invalid payloads, accidental or malicious. None of them is valid on any topic."""

from typing import Final

HOSTILE_PAYLOADS: Final[tuple[bytes, ...]] = (
    b"",
    b"null",
    b"42",
    b'"soc"',
    b"{}",
    b"[[]]",
    b'{"time":',
    b'{"time":1795368000000,"soc_pct":5',
    b"\x00\x01\x02\x03",
    b'{"time":1795368000000,"soc_pct":\xff\xfe}',
    b'{"soc_pct":50.0,"latitude_deg":48.1,"longitude_deg":11.5}',
    b'{"time":"yesterday","soc_pct":50.0,"latitude_deg":48.1,"longitude_deg":11.5}',
    b'{"time":true,"soc_pct":50.0,"latitude_deg":48.1,"longitude_deg":11.5}',
    b'{"time":-1,"soc_pct":50.0,"latitude_deg":48.1,"longitude_deg":11.5}',
    b'{"time":1e300,"soc_pct":50.0,"latitude_deg":48.1,"longitude_deg":11.5}',
    b'{"time":0,"soc_pct":50.0,"latitude_deg":48.1,"longitude_deg":11.5}',
    b'{"time":4102444800000,"soc_pct":50.0,"latitude_deg":48.1,"longitude_deg":11.5}',
    b'{"time":1795368000000,"soc_pct":"50","latitude_deg":"48.1","longitude_deg":"11.5"}',
    b'{"time":1795368000000,"soc_pct":true,"latitude_deg":true,"longitude_deg":true}',
    b'{"time":1795368000000,"soc_pct":null,"latitude_deg":null,"longitude_deg":null}',
    b'{"time":1795368000000,"soc_pct":NaN,"latitude_deg":NaN,"longitude_deg":NaN}',
    b'{"time":1795368000000,"soc_pct":1e999,"latitude_deg":1e999,"longitude_deg":-1e999}',
    b'{"time":1795368000000,"soc_pct":50.0,"latitude_deg":48.1,"longitude_deg":11.5,"vehicle_id":"another-van"}',
    b'{"time":1795368000000,"soc_pct":101.0,"latitude_deg":90.5,"longitude_deg":-180.5}',
    b'{"time":1795368000000,"soc_pct":-0.1,"latitude_deg":-91,"longitude_deg":360}',
    b'{"time":1795368000000,"soc_pct":' + b"9" * 5000 + b',"latitude_deg":' + b"9" * 5000 + b',"longitude_deg":0}',
    b"[" * 3000 + b"]" * 3000,
    b'{"a":' * 1500 + b"1" + b"}" * 1500,
    b'<?xml version="1.0"?><soc>50</soc>',
    b"'; DROP TABLE battery; --",
    b"{" + b" " * 20_000,
)
"""Each of these payloads becomes a dead letter."""
