"""Receiving from an MQTT broker, and acknowledging what is on disk.

base.py            what the pipeline knows: Receiver, Delivery, BrokerLimits, ReceiverCounters
options.py         the `[mqtt]` settings → MqttOptions
connect.py         MqttOptions → a receiver; chooses the protocol
session.py         the session with the broker: connect, wait, connect again
connection.py      one connection: subscribe, deliver, acknowledge, keep alive, end
wire.py            what differs by protocol, as an interface
wire5.py           MQTT 5 on the `mqtt5` codec, with packet_decoder.py and packets.py
wire311.py         MQTT 3.1.1 on paho-mqtt, with paho_additions.py
keepalive.py       pings
reasons.py         reason codes, network and TLS errors in words
forget_session.py  ends a session at the broker
"""
