"""Passes TCP connections on: forward.py LISTEN_HOST:PORT TO_HOST:PORT ...  (pairs)

What a server says to others must not leave its machine yet. This stands in for the tunnel that would carry it
between machines: each network namespace has one, and the addresses on its loopback are the same everywhere.
"""
import asyncio
import sys


async def pour(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, OSError):
        pass
    finally:
        writer.close()


def passing_on_to(host, port):
    async def serve(reader, writer):
        try:
            far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(host, port), 5)
        except (OSError, asyncio.TimeoutError):
            writer.close()
            return
        await asyncio.gather(pour(reader, far_writer), pour(far_reader, writer))

    return serve


async def main(addresses):
    servers = []
    for listen, to in zip(addresses[::2], addresses[1::2]):
        host, port = listen.rsplit(":", 1)
        to_host, to_port = to.rsplit(":", 1)
        servers.append(await asyncio.start_server(passing_on_to(to_host, int(to_port)), host, int(port)))
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main(sys.argv[1:]))
