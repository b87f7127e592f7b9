"""Receiving from an MQTT broker, and acknowledging what is on disk.

base.py            what the pipeline knows: Receiver, Delivery, BrokerLimits, ReceiverCounters
options.py         the `[mqtt]` settings → MqttOptions, with address.py and credentials.py
connect.py         MqttOptions → a receiver
session.py         the session with the broker: connect, wait, connect again; several brokers in turn
connection.py      one connection: subscribe, deliver, acknowledge, keep alive, end
subscriptions.py   remembers over restarts what the session is subscribed to
wire.py            one socket: read, pause, write
dial.py            opens it: every address of the name, TLS, and websocket.py for ws:// and wss://
codec.py           what differs by protocol, as an interface
codec5.py          MQTT 5 on the `mqtt5` library, with packet_decoder.py
codec311.py        MQTT 3.1.1
packets.py         bytes that both protocols share, or that the library refuses
keepalive.py       pings
reasons.py         reason codes, network and TLS errors in words
"""
