"""Categories, insight types and insights as messages of insight.v1."""

from chat_service.catalogue.models import Category, InsightType
from chat_service.insights.models import Insight
from chat_service.jobs.messages import charge_mode_value
from chat_service.jobs.structs import struct_message
from chat_service.wire import timestamp
from protos.insight.v1 import insight_pb2


def category_message(category: Category, price: int, insight_type_count: int) -> insight_pb2.Category:
    """Answer the row as the wire has it, at the price of what is on sale of it."""
    return insight_pb2.Category(
        category_id=category.category_id,
        title=category.title,
        description=category.description,
        price=price,
        insight_type_count=insight_type_count,
        charge_mode=charge_mode_value(category.charge_mode),
    )


def insight_type_message(insight_type: InsightType) -> insight_pb2.InsightType:
    """Answer the row as the wire has it."""
    return insight_pb2.InsightType(
        insight_type_id=insight_type.insight_type_id,
        title=insight_type.title,
        description=insight_type.description,
        chart=insight_type.chart,
        price=insight_type.price,
        min_people=insight_type.min_people,
        max_people=insight_type.max_people,
        min_messages=insight_type.min_messages,
        model_made=insight_type.prompt is not None,
    )


def insight_message(insight: Insight, insight_type: InsightType) -> insight_pb2.Insight:
    """Answer the row as the wire has it."""
    return insight_pb2.Insight(
        insight_id=str(insight.insight_id),
        chat_id=str(insight.chat_id),
        insight_type=insight_type_message(insight_type),
        job_id=str(insight.job_id),
        data=struct_message(insight.data),
        sentences=insight.sentences,
        create_time=timestamp(insight.create_time),
        update_time=timestamp(insight.update_time),
    )
