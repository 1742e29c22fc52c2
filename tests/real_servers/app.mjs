// The application on node's own server: `node app.mjs HOST PORT`. It answers as `answer_to` in app.py does.
import http from "node:http";
import zlib from "node:zlib";

const DOCUMENT = `{"id": 7, "name": "M\\u00fcller & Sluis", "tags": ["a", "b"], "nested": {"level": 1.5, "none": null}, "x": "${"y".repeat(300)}"}`;
const BLOCK = Buffer.concat(Array(256).fill(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))));
const PIECES = Array.from({ length: 20 }, (_, number) => Buffer.alloc(number * 997 + 1, 65 + number));
const TRAILERS = { "x-checksum": "f00d", "x-count": "20" };
const JSON_TYPE = { "content-type": "application/json" };

function counted(response, body, fields = {}, status = 200) {
  response.writeHead(status, { "content-length": Buffer.byteLength(body), ...fields });
  response.end(body);
}

const ANSWERS = {
  "/json": (response) => counted(response, DOCUMENT, JSON_TYPE),
  "/echo": (response, body) => counted(response, body),
  "/empty": (response) => response.writeHead(204).end(),
  "/not-modified": (response) => response.writeHead(304, { etag: '"v1"' }).end(),
  "/pieces": (response) => {
    PIECES.forEach((piece) => response.write(piece));
    response.end();
  },
  "/gzip": (response) => counted(response, zlib.gzipSync(DOCUMENT), { ...JSON_TYPE, "content-encoding": "gzip" }),
  "/large": (response) => counted(response, Buffer.concat(Array(80).fill(BLOCK))),
  "/redirect": (response) => counted(response, "", { location: "/json" }, 302),
  "/close": (response) => counted(response, DOCUMENT, { ...JSON_TYPE, connection: "close" }),
  "/slow": (response) => {
    response.write("first, ");
    setTimeout(() => response.end("second"), 20);
  },
  "/trailers": (response) => {
    response.writeHead(200, { trailer: "x-checksum, x-count" });
    PIECES.forEach((piece) => response.write(piece));
    response.addTrailers(TRAILERS);
    response.end();
  },
};

const server = http.createServer((request, response) => {
  const received = [];
  request.on("data", (piece) => received.push(piece));
  request.on("end", () => {
    const answer = ANSWERS[request.url];
    if (answer) answer(response, Buffer.concat(received));
    else if (request.url.startsWith("/number/")) counted(response, request.url.slice(8), JSON_TYPE);
    else counted(response, '{"code": "missing", "text": "not here"}', JSON_TYPE, 404);
  });
});
server.keepAliveTimeout = 120_000;
server.listen(Number(process.argv[3]), process.argv[2]);
process.on("SIGTERM", () => process.exit(0));
