"""Clients over HTTP that lose their patience with nobody: each wants one job, from whichever server answers."""
import asyncio
import hashlib
import json
import time

PATIENCE = 300  # seconds for a job to come out
SILENCE = 60    # an open stream says at least that it lives
ANSWER = 10     # seconds for an answer


class Broken(Exception):
    """The connection, or what came over it."""


async def open_exchange(host, port, method, path, body=None, headers=()):
    reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 3)
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", "connection: close", f"content-length: {len(data)}",
             "content-type: application/json", *headers]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + data)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    return int(head[0].split()[1]), fields, reader, writer


async def pieces(fields, reader):
    """The body as it comes; ends where it is whole."""
    if fields.get("transfer-encoding") == "chunked":
        while True:
            size = int(await reader.readline(), 16)
            data = await reader.readexactly(size + 2)
            if size == 0:
                return
            yield data[:-2]
    yield await reader.readexactly(int(fields.get("content-length", 0)))


async def exchange(*request, **more):
    async def whole():
        status, fields, reader, writer = await open_exchange(*request, **more)
        try:
            return status, b"".join([piece async for piece in pieces(fields, reader)])
        finally:
            writer.close()

    try:
        return await asyncio.wait_for(whole(), ANSWER)
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
        raise Broken(repr(error)) from error


class Clients:
    """`servers`: (host, port) each. `disturbed(server, begin, end)`: whether something has befallen it then."""

    def __init__(self, servers, disturbed):
        self.servers, self.disturbed = servers, disturbed
        self.complaints, self.streams, self.resumed = [], 0, 0

    async def make_all(self, count, prefix, enough, at_once=6):
        """So many jobs, and all once more until it is enough: what came out by number, all times."""
        results = {number: [] for number in range(1, count + 1)}

        def numbers():
            time = 0
            while time == 0 or not enough():
                time += 1
                for number in results:
                    yield number, f"{prefix}-{time}-{number}"

        turn = numbers()

        async def client():
            for number, request in turn:
                results[number].append(await self.make(number, request))

        await asyncio.gather(*(client() for _ in range(at_once)))
        return results

    async def insist(self, number, method, path, body=None):
        """Asks one server after the other until one answers."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for turn in range(len(self.servers)):
                try:
                    status, answer = await exchange(*self.servers[(number + turn) % len(self.servers)], method, path, body)
                except Broken:
                    continue
                if status < 300:
                    return answer
                if status not in (429, 503, 504):
                    self.complaints.append(f"{method} {path}: {status} {answer[:300]}")
                    return None
            await asyncio.sleep(0.2)
        self.complaints.append(f"{method} {path}: no answer in {PATIENCE} s")
        return None

    async def make(self, number, request):
        """One job, acknowledged, followed and fetched; the hashes of its pictures."""
        count = 1 + number % 3
        wanted = {"spec": {"model": "emoji", "prompt": f"a red heart {number}", "seed": str(number), "steps": 20,
                           "imageCount": count}, "requestId": request}
        first = await self.insist(number, "POST", "/v1/jobs", wanted)
        if first is None:
            return None
        job = json.loads(first)["id"]
        again = await self.insist(number + 1, "POST", "/v1/jobs", wanted)
        if again is not None and json.loads(again)["id"] != job:
            self.complaints.append(f"request {number} made two jobs: {job} and {json.loads(again)['id']}")
        if not await self.follow(number, job, count):
            return None
        hashes = []
        for image in range(count):
            picture = await self.insist(number + 2, "GET", f"/v1/jobs/{job}/images/{image}")
            hashes.append(None if picture is None else hashlib.sha256(picture).hexdigest())
        return None if None in hashes else hashes

    async def follow(self, number, job, count):
        """Whether it has succeeded, as its events say. A stream must last as long as its server does."""
        last, pictures = 0, []
        end, server = time.monotonic() + PATIENCE, number
        while time.monotonic() < end:
            server = (server + 1) % len(self.servers)
            began, opened = time.monotonic(), False
            try:
                async for name, sequence, data in self.events(server, job, last):
                    if not opened:
                        opened, self.streams = True, self.streams + 1
                    if sequence is not None and sequence <= last:
                        self.complaints.append(f"job {number}: event {sequence} after {last}")
                    last = last if sequence is None else sequence
                    if name == "error":
                        raise Broken(data)
                    if name == "image":
                        pictures.append(json.loads(data)["image"].get("imageIndex", 0))
                    if name == "completed":
                        return self.ended(number, json.loads(data)["completed"]["job"], pictures, count)
                raise Broken("ended without the job's end")
            except (Broken, OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
                now = time.monotonic()
                if opened and not self.disturbed(server, began, now):
                    self.complaints.append(f"job {number}: a stream broke on server {server}, which nothing had befallen, "
                                           f"after {now - began:.1f} s: {error!r}")
                self.resumed += opened
                await asyncio.sleep(0.2)
        self.complaints.append(f"job {number} ({job}): no end in {PATIENCE} s")
        return False

    def ended(self, number, job, pictures, count):
        if job["state"] != "JOB_STATE_SUCCEEDED":
            self.complaints.append(f"job {number} ended as {job}")
            return False
        if sorted(pictures) != list(range(count)):
            self.complaints.append(f"job {number}: told of the pictures {pictures} of {count}")
        return True

    async def events(self, server, job, last):
        status, fields, reader, writer = await asyncio.wait_for(
            open_exchange(*self.servers[server], "GET", f"/v1/jobs/{job}/events", headers=[f"last-event-id: {last}"]),
            ANSWER)
        try:
            if status != 200:
                raise Broken(f"status {status}")
            text = b""
            stream = pieces(fields, reader)
            while True:
                try:
                    text += await asyncio.wait_for(anext(stream), SILENCE)
                except StopAsyncIteration:
                    return
                *whole, text = text.split(b"\n\n")
                for one in whole:
                    event = dict(line.split(": ", 1) for line in one.decode().split("\n") if ": " in line[1:])
                    if "event" in event:
                        yield event["event"], int(event["id"]) if "id" in event else None, event.get("data", "")
        finally:
            writer.close()
