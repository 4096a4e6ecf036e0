"""ops.v1.OpsService: what operators ask."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from servicekit.database import PoolStatus


class OpsServicer(ops_pb2_grpc.OpsServiceServicer):
    """Answers from memory: it must work while the database does not."""

    def __init__(self, service: str, engine: AsyncEngine) -> None:
        """Take the name of this service and the engine whose pool it watches."""
        self._service = service
        self._engine = engine

    async def GetPoolStatus(  # noqa: N802  # the name of the RPC
        self, request: ops_pb2.GetPoolStatusRequest, context: Any
    ) -> ops_pb2.GetPoolStatusResponse:
        """Answer the pool as of now."""
        status = PoolStatus(self._engine)
        return ops_pb2.GetPoolStatusResponse(
            service=self._service,
            size=status.size,
            in_use=status.in_use,
            overflow=status.overflow,
            max_overflow=status.max_overflow,
            waiting=status.waiting,
        )
