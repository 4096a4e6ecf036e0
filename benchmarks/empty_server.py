"""A gRPC server that does nothing: what a call costs without any work."""

import asyncio
import os
from typing import Any

import grpc.aio
import uvloop

from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from servicekit import ready


class Empty(ops_pb2_grpc.OpsServiceServicer):
    """Answers at once."""

    async def GetPoolStatus(self, request: Any, context: Any) -> ops_pb2.GetPoolStatusResponse:  # noqa: N802  # gRPC's name
        """Answer an empty message."""
        return ops_pb2.GetPoolStatusResponse()


async def serve() -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    ops_pb2_grpc.add_OpsServiceServicer_to_server(Empty(), server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['HOLDFAST_EMPTY_PORT']}")
    await server.start()
    ready.announce()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(serve())
