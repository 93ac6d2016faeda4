"""Starts a real ClickHouse server for tests and benchmarks, out of the PyPI wheel `chdb-core`.

The wheel's shared object holds the whole of `clickhouse local`, and `clickhouse local` from 26 on can open the
server's own HTTP listener (`SYSTEM START LISTEN HTTP`). Its entry point `f(int argc, char **argv)` is compiled
in but has no symbol: it is called by its offset, which belongs to one build of the wheel, or is found by
following the vtable of `DB::LocalServer`. Linux on x86_64 only; standard library and the wheel only.

    python clickhouse.py [--path DIR] [--port N] [--attached] [--memory BYTES]
                         [--zookeeper PORT --replica NAME --replicas PORT,PORT]

Prints `READY <port>` when it answers. Users and profiles are those of `server.xml` beside this file. Without
`--path` the data lies in a temporary folder that is removed at the end; with `--attached` the end is when
standard input closes, so that no server outlives the program that started it. SIGTERM ends it at any time,
and what was stored stays. With `--zookeeper` tables can be replicated; see `replica.py`.
"""

import argparse
import array
import bisect
import ctypes
import importlib.util
import mmap
import os
import re
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import urllib.request

import replica

# Build id of the shared object → offset of the entry point.
KNOWN = {"bdc4640446f9e58ef835635e38764a5992cd4b3c": 0xEA5F1C0}  # chdb-core 26.9.0, manylinux x86_64

# The process is `clickhouse local` running this one query; when it ended, the listeners would close.
STAY = (
    "SELECT sleepEachRow(1) FROM system.numbers SETTINGS max_block_size = 1, max_execution_time = 0, "
    "max_memory_usage = 0, log_comment = 'stay' FORMAT Null"
)


def library():
    for folder in importlib.util.find_spec("chdb").submodule_search_locations:
        for name in os.listdir(folder):
            if name.startswith("_chdb") and name.endswith(".so"):
                return os.path.realpath(os.path.join(folder, name))
    sys.exit("clickhouse.py: chdb-core is not installed in this Python")


class Elf:
    """As much of ELF64 as it takes: segments, sections by name, file offset → address."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        segments, sections = struct.unpack_from("<QQ", self.bytes, 32)
        size, count, section_size, section_count, names = struct.unpack_from("<HHHHH", self.bytes, 54)
        self.loaded = []
        for i in range(count):
            kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", self.bytes, segments + i * size)
            if kind == 1:
                self.loaded.append((offset, address, length))
        raw = [struct.unpack_from("<IIQQQQ", self.bytes, sections + i * section_size) for i in range(section_count)]
        self.sections = {}
        for name, _, _, address, offset, length in raw:
            start = raw[names][4] + name
            self.sections[self.bytes[start : self.bytes.find(b"\0", start)].decode()] = (address, offset, length)

    def address(self, offset):
        return next(offset - begin + address for begin, address, length in self.loaded if begin <= offset < begin + length)

    def build_id(self):
        _, offset, length = self.sections[".note.gnu.build-id"]
        return self.bytes[offset + 16 : offset + length].hex()

    def functions(self):
        """Where functions start, in order."""
        header, offset, _ = self.sections[".eh_frame_hdr"]
        count = struct.unpack_from("<I", self.bytes, offset + 8)[0]
        table = array.array("i", self.bytes[offset + 12 : offset + 12 + count * 8])
        return sorted(header + start for start in table[::2])

    def taking(self, addresses):
        """The functions that take one of these addresses."""
        text, offset, size = self.sections[".text"]
        code = self.bytes[offset : offset + size]
        hits = []
        for lea in re.finditer(rb"[\x48\x4c]\x8d[\x05\x0d\x15\x1d\x25\x2d\x35\x3d](?=(....))", code, re.S):
            at = text + lea.start() + 7
            if at + int.from_bytes(lea[1], "little", signed=True) in addresses:
                hits.append(at)
        starts = self.functions()
        return {starts[bisect.bisect_right(starts, hit) - 1] for hit in hits}


def locate(elf):
    """The one function, not a destructor, that takes the address of the vtable of `LocalServer`."""
    _, relocations, length = elf.sections[".rela.dyn"]

    def pointing_to(address):
        pattern, at, found = struct.pack("<q", address), relocations, []
        while (at := elf.bytes.find(pattern, at, relocations + length)) >= 0:
            if (at - relocations) % 24 == 16:
                found.append(struct.unpack_from("<Q", elf.bytes, at - 16)[0])
            at += 1
        return found

    name = elf.address(elf.bytes.find(b"N2DB11LocalServerE\0"))
    slots = pointing_to(pointing_to(name)[0] - 8)
    functions = elf.taking({min(slots) - 8, min(slots) + 8})
    functions = [function for function in functions if not pointing_to(function)]
    if len(functions) != 1:
        sys.exit(f"clickhouse.py: cannot find the entry point among {[hex(function) for function in functions]}")
    return functions[0]


def load():
    """Loads the library; what it is made of, and where it lies in memory."""
    path = library()
    folder = os.getcwd()
    os.chdir(os.path.dirname(path))
    ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
    os.chdir(folder)
    with open("/proc/self/maps") as maps:
        base = next(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(path))
    return Elf(path), base


def entry_point(elf, base):
    offset = KNOWN.get(elf.build_id())
    if offset is None:
        offset = locate(elf)
        print(f"clickhouse.py: a new build, add to KNOWN: {elf.build_id()!r}: {offset:#x}", file=sys.stderr)
    return ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p))(base + offset)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def shard(ports):
    """These servers as replicas of one shard."""
    one = "<replica><host>127.0.0.1</host><port>{}</port></replica>"
    return "<shard>" + "".join(one.format(port) for port in ports) + "</shard>"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--path")
    parser.add_argument("--port", type=int)
    parser.add_argument("--attached", action="store_true")
    parser.add_argument("--memory", type=int, default=4 << 30, help="bytes all queries together may use")
    parser.add_argument("--zookeeper", type=int, help="port of the ZooKeeper on this machine")
    parser.add_argument("--replica", help="what this one of the replicas is called")
    parser.add_argument("--replicas", help="ports for queries of all of them, this one's first")
    arguments = parser.parse_args()
    temporary = arguments.path is None
    path = tempfile.mkdtemp(prefix="clickhouse-") if temporary else os.path.abspath(arguments.path)
    os.makedirs(path, exist_ok=True)
    port = arguments.port or free_port()
    # Servers speak to each other over the second one.
    tcp = int(arguments.replicas.split(",")[0]) if arguments.replicas else free_port()
    interserver = free_port()

    def end(code=0):
        if temporary:
            shutil.rmtree(path, ignore_errors=True)
        os._exit(code)

    config = os.path.join(path, "server.xml")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "server.xml")) as template:
        text = template.read().replace("@CONFIG@", config).replace("@MEMORY@", str(arguments.memory))
        servers = sorted(arguments.replicas.split(",")) if arguments.replicas else [str(tcp)]
        text = text.replace("@TCP@", str(tcp)).replace("@REPLICAS@", shard(servers))
        text = text.replace("@SHARDS@", "".join(shard([server]) for server in servers))
        is_replica = arguments.zookeeper is not None
        more = replica.settings(arguments.replica, arguments.zookeeper) if is_replica else ""
        text = text.replace("@REPLICATION@", more)
    with open(config, "w") as file:
        file.write(text)
    words = ["clickhouse-local", "--path", os.path.join(path, "store"), "--listen_host", "127.0.0.1"]
    words += ["--http_port", str(port), "--tcp_port", str(tcp), "--config-file", config]
    words += ["--query", f"SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; {STAY}"]
    elf, base = load()
    call = entry_point(elf, base)
    if is_replica:
        replica.tell_address(elf, base, interserver)
        threading.Thread(target=replica.send_parts, args=(interserver, port), daemon=True).start()
    argv = (ctypes.c_char_p * (len(words) + 1))(*[word.encode() for word in words], None)

    def run():
        call(len(words), argv)
        print("clickhouse.py: the engine has ended", file=sys.stderr, flush=True)
        end(1)

    def wait_until_ready():
        while True:
            try:
                if urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).read() == b"Ok.\n":
                    print(f"READY {port}", flush=True)
                    return
            except OSError:
                time.sleep(0.02)

    def wait_for_end():
        while sys.stdin.buffer.read(4096):
            pass
        end()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end())
    threading.stack_size(64 << 20)
    threading.Thread(target=run, daemon=True).start()
    threading.Thread(target=wait_until_ready, daemon=True).start()
    if arguments.attached:
        threading.Thread(target=wait_for_end, daemon=True).start()
    while True:
        time.sleep(0.2)  # Python's signal handlers run in the main thread, between two of its steps.


if __name__ == "__main__":
    main()
