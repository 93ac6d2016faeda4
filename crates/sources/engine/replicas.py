"""Starts ZooKeeper and two servers that hold replicas of the same tables, or shards of others, for tests.

    python replicas.py

Prints `READY <port> <port>` when all answer. Their data lies in temporary folders. The end is when standard input
closes, so that nothing outlives the program that started it. ZooKeeper is Debian's:
apt-get install libzookeeper-java default-jre-headless.
"""

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import clickhouse

JAR = "/usr/share/java/zookeeper.jar"
NAMES = ("a", "b")
SECONDS_TO_START = 120


def end_with_parent():
    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def start_zookeeper(folder, port):
    settings = os.path.join(folder, "zoo.cfg")
    with open(settings, "w") as file:
        file.write(f"dataDir={folder}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=2000\n")
    # A small machine that starts quickly; nothing that is stored must survive it.
    options = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    options += ["-Dzookeeper.admin.enableServer=false", "-Dzookeeper.forceSync=no"]
    command = ["java", *options, "-cp", JAR, "org.apache.zookeeper.server.ZooKeeperServerMain", settings]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, preexec_fn=end_with_parent, **quiet)


def wait_for_zookeeper(port):
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"srvr")
                if b"Mode: standalone" in connection.recv(4096):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    sys.exit("replicas.py: ZooKeeper does not answer")


def main():
    if not os.path.exists(JAR) or shutil.which("java") is None:
        sys.exit("replicas.py: install ZooKeeper: apt-get install libzookeeper-java default-jre-headless")
    if importlib.util.find_spec("clickhouse_cityhash") is None:
        sys.exit("replicas.py: clickhouse-cityhash is not installed in this Python; `cargo xtask test` does that")
    folder = tempfile.mkdtemp(prefix="zookeeper-")
    port, queries = clickhouse.free_port(), [clickhouse.free_port() for _ in NAMES]
    zookeeper = start_zookeeper(folder, port)
    engines = []
    try:
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clickhouse.py")
        for number, name in enumerate(NAMES):
            own_first = [queries[number], *queries[:number], *queries[number + 1 :]]
            words = ["--attached", "--zookeeper", str(port), "--replica", name]
            words += ["--replicas", ",".join(map(str, own_first))]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            engines.append(subprocess.Popen([sys.executable, script, *words], **pipes))
        wait_for_zookeeper(port)
        said = [engine.stdout.readline().decode().strip() for engine in engines]
        if not all(line.startswith("READY ") for line in said):
            sys.exit(f"replicas.py: the servers say {said}")
        print("READY", *(line.removeprefix("READY ") for line in said), flush=True)
        while sys.stdin.buffer.read(4096):
            pass
    finally:
        for engine in engines:
            engine.stdin.close()
            engine.wait()
        zookeeper.kill()
        zookeeper.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
