"""What `clickhouse local` lacks to hold replicas of tables: an address of its own, and somebody who listens there.

A replica writes into ZooKeeper where others fetch its parts from. That is the address of a listener which only the
whole server opens, so `clickhouse local` has none to write: the three functions that return it are replaced in
memory by ones that return constants. The listener's work, to send parts, is done here, with the files of a part as
they lie in the store. Everything else is the engine's own: the log in ZooKeeper, the queue, fetches, merges, and the
check of every file that was fetched.
"""

import ctypes
import http.server
import json
import os
import struct
import sys
import urllib.parse
import urllib.request

# Build id of the shared object → where the functions are that return credentials, address and scheme.
KNOWN = {"bdc4640446f9e58ef835635e38764a5992cd4b3c": (0x14721740, 0x147217C0, 0x147218C0)}

# The version of the protocol that is spoken; later ones know more than files.
PROTOCOL = 9

# Files are hashed in blocks of this size, each with the hash of those before as its seed.
BLOCK = 2048
# What CityHash128 combines the first eight bytes with; without it a hash can be told its seed.
SEED = 0xC949D7C7509E6557

# Where a part is, of the replica that its path in ZooKeeper names.
PART = (
    "SELECT p.path, p.part_type, toString(p.uuid) FROM system.parts AS p JOIN system.replicas AS r "
    "USING (database, table) WHERE concat('DataPartsExchange:', r.replica_path) = {endpoint:String} "
    "AND p.name = {part:String} FORMAT JSONCompact"
)


def settings(name, zookeeper):
    """What stands in the settings of a server. Sessions of one path end each other, and all servers have one id."""
    return f"""<zookeeper>
    <node><host>127.0.0.1</host><port>{zookeeper}</port></node>
    <sessions_path>/sessions/{name}</sessions_path>
  </zookeeper>
  <macros><replica>{name}</replica></macros>
  <background_schedule_pool_size>16</background_schedule_pool_size>
  <background_fetches_pool_size>4</background_fetches_pool_size>"""


def locate(elf):
    """The function that complains of an address that is missing stands between the other two."""
    complaint = elf.bytes.find(b"Parameter 'interserver_http(s)_port' required for replication")
    functions = elf.taking({elf.address(complaint)})
    if len(functions) != 1:
        sys.exit(f"replica.py: cannot find the address of a replica among {[hex(function) for function in functions]}")
    starts = elf.functions()
    place = starts.index(functions.pop())
    return tuple(starts[place - 1 : place + 2])


# Nobody: two empty strings.
NOBODY = ctypes.create_string_buffer(256)


def tell_address(elf, base, port):
    """Has the engine know itself at this port, without credentials."""
    offsets = KNOWN.get(elf.build_id())
    if offsets is None:
        offsets = locate(elf)
        print(f"replica.py: a new build, add to KNOWN: {elf.build_id()!r}: {offsets}", file=sys.stderr)
    credentials, address, scheme = offsets
    # mov rax, NOBODY; xor edx, edx; ret
    replace(base + credentials, b"\x48\xb8" + struct.pack("<Q", ctypes.addressof(NOBODY)) + b"\x31\xd2\xc3")
    # mov word [rdi + 24], port
    replace(base + address, string(b"127.0.0.1") + b"\x66\xc7\x47\x18" + struct.pack("<H", port) + RETURN)
    replace(base + scheme, string(b"http") + RETURN)


# mov rax, rdi; ret
RETURN = b"\x48\x89\xf8\xc3"


def string(text):
    """Code that makes a short string at the address in rdi: its bytes, and its length in the last of 24."""
    code = b""
    for offset, value in zip((0, 8, 16), struct.unpack("<3Q", text.ljust(23, b"\0") + bytes([len(text)]))):
        # mov rax, value; mov [rdi + offset], rax
        code += b"\x48\xb8" + struct.pack("<Q", value) + b"\x48\x89\x47" + bytes([offset])
    return code


def replace(address, code):
    """Writes code over that of a function."""
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    page = address & ~4095
    readable, writable, executable = 1, 2, 4
    for rights in (readable | writable | executable, readable | executable):
        if protect(ctypes.c_void_p(page), ctypes.c_size_t(address + len(code) - page), rights) != 0:
            sys.exit(f"replica.py: cannot change the engine in memory: {os.strerror(ctypes.get_errno())}")
        if rights & writable:
            ctypes.memmove(address, code, len(code))


def send_parts(port, http_port):
    """Sends parts of the engine at `http_port` to whoever asks at `port`."""

    class Parts(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            try:
                status, body = 200, part(http_port, asked["endpoint"], asked["part"])
            except (IndexError, KeyError, OSError) as error:
                # Whoever asks tries again.
                status, body = 500, repr(error).encode()
            self.send_response(status)
            self.send_header("Set-Cookie", f"server_protocol_version={PROTOCOL}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Parts).serve_forever()


def part(http_port, endpoint, name):
    """A part as it travels: sizes, kind, no projections, and every file with its hash."""
    words = urllib.parse.urlencode({"query": PART, "param_endpoint": endpoint, "param_part": name})
    with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/?{words}") as answer:
        path, kind, uuid = json.load(answer)["data"][0]
    files = []
    for name in sorted(os.listdir(path)):
        # Transactions are of one server.
        if name != "txn_version.txt":
            with open(os.path.join(path, name), "rb") as file:
                files.append((name, file.read()))
    body = number(sum(len(content) for _, content in files)) + text("ttl format version: 1\n{}") + text(kind)
    body += uuid.encode() + number(0) + number(len(files))
    for name, content in files:
        body += text(name) + number(len(content)) + content + hashed(content)
    return body


def number(value):
    return struct.pack("<Q", value)


def text(value):
    length, head = len(value.encode()), b""
    while length >= 128:
        head += bytes([length & 127 | 128])
        length >>= 7
    return head + bytes([length]) + value.encode()


def hashed(content):
    # Whoever holds no replicas needs no hashes.
    from clickhouse_cityhash.cityhash import CityHash128

    low = high = 0
    for start in range(0, len(content), BLOCK):
        value = CityHash128(struct.pack("<QQ", low ^ SEED, high) + content[start : start + BLOCK])
        low, high = value >> 64, value & (1 << 64) - 1
    return struct.pack("<QQ", low, high)
