// aedes with its sessions in memory. Arguments: the ports for MQTT, TLS and WebSocket, certificate and key.

const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const net = require("node:net");
const tls = require("node:tls");
const { Aedes } = require("aedes");
const { WebSocketServer, createWebSocketStream } = require("ws");

async function main([port, tlsPort, webPort, certFile, keyFile]) {
  const broker = await Aedes.createBroker();
  const web = createServer();
  new WebSocketServer({ server: web }).on("connection", (socket, request) => {
    broker.handle(createWebSocketStream(socket), request);
  });
  web.listen(Number(webPort), "127.0.0.1");
  tls
    .createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, broker.handle)
    .listen(Number(tlsPort), "127.0.0.1");
  net.createServer(broker.handle).listen(Number(port), "127.0.0.1");
}

main(process.argv.slice(2));
