"""The callers of `cargo xtask bench service`: ask a server for exports and say what happened, as JSON."""

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlparse


class Project:
    """Calls in one project over one connection."""

    def __init__(self, url, project, key):
        self.address, self.project, self.key = urlparse(url).netloc, project, key
        self.connection = http.client.HTTPConnection(self.address, timeout=60)

    def call(self, method, path, body=None):
        headers = {"Authorization": "Bearer " + self.key}
        if body is not None:
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        self.connection.request(method, f"/api/v1/projects/{self.project}/{path}", body, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)

    def create(self, body):
        return self.call("POST", "exports", body)["id"]

    def ended(self, export):
        while True:
            found = self.call("GET", "exports/" + export)
            if found["state"] not in ("queued", "running"):
                if found["state"] != "completed":
                    raise RuntimeError(json.dumps(found))
                return found
            time.sleep(0.02)


def export(url, project, key, body):
    """How long one export takes from the request to its last byte."""
    calls = Project(url, project, key)
    began = time.monotonic()
    found = calls.ended(calls.create(json.loads(body)))
    return {"seconds": time.monotonic() - began, "files": len(found["files"]), "bytes": found["progress"]["bytes"]}


def load(url, project, key, rate, seconds):
    """Lists, gets and creates at a fixed rate while large exports run. Times count from when a call was due, so that
    a slow answer is not hidden by the calls that it delays."""
    rate, seconds = int(rate), int(seconds)
    known = [Project(url, project, key).create({"table": "events", "limit": 5})]
    due = iter(range(rate * seconds))
    lock, failures, exports = threading.Lock(), [], [0]
    times, began = {"list": [], "get": [], "create": []}, time.monotonic() + 0.5

    def noting_failures(work):
        def noted():
            try:
                work()
            except Exception as error:
                failures.append(repr(error))

        return noted

    def caller():
        calls = Project(url, project, key)
        while not failures:
            with lock:
                number = next(due, None)
            if number is None:
                return
            at = began + number / rate
            time.sleep(max(0.0, at - time.monotonic()))
            kind = ("list", "get", "list", "get", "create")[number % 5]
            if kind == "list":
                calls.call("GET", "exports?limit=50")
            elif kind == "get":
                calls.call("GET", "exports/" + known[number % len(known)])
            else:
                known.append(calls.create({"table": "events", "limit": 5}))
            with lock:
                times[kind].append(time.monotonic() - at)

    stop = threading.Event()

    def exporter():
        calls = Project(url, project, key)
        while not stop.is_set():
            calls.ended(calls.create({"table": "events", "format": "jsonl", "compression": "gzip"}))
            exports[0] += 1

    threads = [threading.Thread(target=noting_failures(caller)) for _ in range(32)]
    background = threading.Thread(target=noting_failures(exporter), daemon=True)
    background.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    stop.set()
    if failures:
        raise SystemExit(failures[0])

    def share(values, part):
        return sorted(values)[min(len(values) - 1, int(len(values) * part))] * 1000

    every = [value for values in times.values() for value in values]
    return {
        "calls": len(every),
        "per_second": len(every) / took,
        "large_exports_completed": exports[0],
        "p50_ms": share(every, 0.5),
        "p99_ms": share(every, 0.99),
        "p99_ms_by_kind": {kind: share(values, 0.99) for kind, values in times.items()},
    }


def queue(url, keys, count):
    """Queues so many exports for every project."""
    for project, key in json.loads(keys).items():
        calls = Project(url, project, key)
        for _ in range(int(count)):
            calls.create({"table": "events", "format": "jsonl"})
    return {}


def fairness(url, keys, count):
    """The largest lead that any project had over one that started its n-th export."""
    starts = []
    for project, key in json.loads(keys).items():
        calls = Project(url, project, key)
        while True:
            found = calls.call("GET", "exports?limit=200")["items"]
            if all(item["state"] == "completed" for item in found) and len(found) == int(count):
                break
            time.sleep(0.2)
        starts += [(item["startedAt"], project) for item in found]
    started, lead = {}, 0
    for _, project in sorted(starts):
        started[project] = started.get(project, 0) + 1
        lead = max(lead, max(started.values()) - started[project])
    return {"exports": len(starts), "lead_max": lead}


print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
