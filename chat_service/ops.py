"""What operators ask of this server."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from servicekit.database import PoolStatus


class OpsServicer(ops_pb2_grpc.OpsServiceServicer):
    """Answers about the process itself."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine whose pool is asked about."""
        self._engine = engine

    async def GetPoolStatus(  # noqa: N802  # named by the contract
        self, request: ops_pb2.GetPoolStatusRequest, context: Any
    ) -> ops_pb2.GetPoolStatusResponse:
        """Answer the pool as of now; touches no database."""
        pool = PoolStatus(self._engine)
        return ops_pb2.GetPoolStatusResponse(
            service="chat_service",
            size=pool.size,
            in_use=pool.in_use,
            overflow=pool.overflow,
            max_overflow=pool.max_overflow,
            waiting=pool.waiting,
        )
