"""From the services' messages to the API's JSON: the one place that knows both."""

import math
from typing import Any

from google.protobuf.message import Message as ProtoMessage
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from gateway import models
from protos.chat.v1 import chat_pb2
from protos.credit.v1 import credit_pb2
from protos.insight.v1 import insight_pb2
from protos.ops.v1 import ops_pb2
from protos.payment.v1 import payment_pb2

#: A generated enum. Its methods live on a metaclass of its own, which no common type describes.
_Enum = Any


def _time(message: ProtoMessage, field: str) -> str | None:
    """Answer a time as RFC 3339 in UTC, or None where the field is not set."""
    if not message.HasField(field):
        return None
    value: Timestamp = getattr(message, field)
    return value.ToJsonString()


def _name(enum: _Enum, prefix: str, value: int) -> str:
    """Answer an enum value without its prefix; one that this build does not know by its number."""
    try:
        return str(enum.Name(value)).removeprefix(prefix)
    except ValueError:
        return str(value)


def enum_names(enum: _Enum, prefix: str) -> list[str]:
    """Answer the names without their prefix, and without the unspecified one."""
    return [name.removeprefix(prefix) for name in enum.keys()[1:]]


def enum_value(enum: _Enum, prefix: str, name: str) -> int:
    """Answer the value that a name without its prefix stands for, case ignored; empty is unspecified.

    Raises ValueError that lists the names.
    """
    if not name:
        return 0
    names = enum_names(enum, prefix)
    if name.upper() not in names:
        raise ValueError(f"must be one of {', '.join(names)}")
    return int(enum.Value(prefix + name.upper()))


#: The names that an upload may give.
CHAT_FORMATS = enum_names(chat_pb2.ChatFormat, "CHAT_FORMAT_")
DATE_ORDERS = enum_names(chat_pb2.DateOrder, "DATE_ORDER_")


def transaction_type(name: models.TransactionType) -> credit_pb2.TransactionType.ValueType:
    """Answer the value of a transaction type's name."""
    return credit_pb2.TransactionType.Value(f"TRANSACTION_TYPE_{name}")


def _struct(value: Struct) -> dict[str, Any]:
    return {key: _value(item) for key, item in value.fields.items()}


def _value(value: Value) -> Any:
    """Answer a Struct's value; a nesting deeper than protobuf's own limit cannot arrive here."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _struct(value.struct_value)
    if kind == "list_value":
        return [_value(item) for item in value.list_value.values]
    if kind == "number_value":
        return _number(value.number_value)
    return getattr(value, kind) if kind in ("string_value", "bool_value") else None


def _number(value: float) -> float | int | None:
    """Answer a whole number as one: a Struct has doubles only. JSON has no NaN and no infinity."""
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else value


def user(stored: chat_pb2.StoreUserResponse) -> models.User:
    """Answer a stored user."""
    value = stored.user
    return models.User(
        user_id=value.user_id,
        display_name=value.display_name,
        email=value.email,
        create_time=_time(value, "create_time"),
        update_time=_time(value, "update_time"),
        created=stored.created,
    )


def erasure(value: chat_pb2.DeleteUserResponse) -> models.Erasure:
    """Answer what a deletion began."""
    return models.Erasure(
        erasure_id=value.erasure_id,
        delete_time=_time(value, "delete_time"),
        purge_time=_time(value, "purge_time"),
    )


def category(value: insight_pb2.Category) -> models.Category:
    """Answer a category."""
    return models.Category(
        category_id=value.category_id,
        title=value.title,
        description=value.description,
        price=value.price,
        insight_type_count=value.insight_type_count,
        charge_mode=_name(insight_pb2.ChargeMode, "CHARGE_MODE_", value.charge_mode),
    )


def insight_type(value: insight_pb2.InsightType) -> models.InsightType:
    """Answer a kind of insight."""
    return models.InsightType(
        insight_type_id=value.insight_type_id,
        title=value.title,
        description=value.description,
        chart=value.chart,
        price=value.price,
        min_people=value.min_people,
        max_people=value.max_people if value.HasField("max_people") else None,
        min_messages=value.min_messages,
        model_made=value.model_made,
    )


def balance(value: credit_pb2.Account) -> models.Balance:
    """Answer an account."""
    return models.Balance(
        user_id=value.user_id,
        balance=value.balance,
        reserved=value.reserved,
        available=value.available,
        update_time=_time(value, "update_time"),
    )


def account(value: credit_pb2.Account) -> models.Account:
    """Answer an account with all of its times."""
    return models.Account(
        user_id=value.user_id,
        balance=value.balance,
        reserved=value.reserved,
        available=value.available,
        create_time=_time(value, "create_time"),
        update_time=_time(value, "update_time"),
        close_time=_time(value, "close_time"),
    )


def transaction(value: credit_pb2.Transaction) -> models.Transaction:
    """Answer a transaction."""
    return models.Transaction(
        transaction_id=value.transaction_id,
        type=_name(credit_pb2.TransactionType, "TRANSACTION_TYPE_", value.type),
        amount=value.amount,
        balance_after=value.balance_after,
        description=value.description,
        reservation_id=value.reservation_id if value.HasField("reservation_id") else None,
        reference_type=value.reference_type,
        reference_id=value.reference_id,
        metadata=dict(value.metadata),
        create_time=_time(value, "create_time"),
    )


def package(value: payment_pb2.Package) -> models.Package:
    """Answer a coin package."""
    prices = [
        models.Price(currency=price.currency, amount=price.amount, minor_digits=price.minor_digits)
        for price in value.prices
    ]
    return models.Package(package_id=value.package_id, title=value.title, coins=value.coins, prices=prices)


def packages(value: payment_pb2.ListPackagesResponse) -> models.Packages:
    """Answer what is on sale."""
    names = [_name(payment_pb2.PaymentProvider, "PAYMENT_PROVIDER_", one) for one in value.providers]
    return models.Packages(packages=[package(row) for row in value.packages], providers=names)


def payment_provider(name: models.PaymentProvider) -> payment_pb2.PaymentProvider.ValueType:
    """Answer the value of a provider's name."""
    return payment_pb2.PaymentProvider.Value(f"PAYMENT_PROVIDER_{name}")


def order(value: payment_pb2.Order) -> models.Order:
    """Answer an order."""
    return models.Order(
        order_id=value.order_id,
        package_id=value.package_id,
        provider=_name(payment_pb2.PaymentProvider, "PAYMENT_PROVIDER_", value.provider),
        state=_name(payment_pb2.OrderState, "ORDER_STATE_", value.state),
        coins=value.coins,
        amount=value.amount,
        currency=value.currency,
        provider_order_id=value.provider_order_id,
        checkout=_checkout(value.checkout) if value.HasField("checkout") else None,
        refunded_amount=value.refunded_amount,
        disputed_amount=value.disputed_amount,
        granted_coins=value.granted_coins,
        taken_coins=value.taken_coins,
        missing_coins=value.missing_coins,
        create_time=_time(value, "create_time"),
        update_time=_time(value, "update_time"),
        paid_time=_time(value, "paid_time"),
    )


def _checkout(value: payment_pb2.Checkout) -> models.Checkout:
    return models.Checkout(url=value.url, key_id=value.key_id, expire_time=_time(value, "expire_time"))


def webhook(value: payment_pb2.HandleWebhookResponse) -> models.WebhookResult:
    """Answer what became of a webhook."""
    return models.WebhookResult(
        outcome=_name(payment_pb2.WebhookOutcome, "WEBHOOK_OUTCOME_", value.outcome),
        event_id=value.event_id,
        order_id=value.order_id or None,
    )


def job(value: insight_pb2.Job) -> models.Job:
    """Answer a job."""
    params = _struct(value.params)
    return models.Job(
        job_id=value.job_id,
        kind=value.kind,
        state=_name(insight_pb2.JobState, "JOB_STATE_", value.state),
        chat_id=value.subject_id,
        category_id=params.get("category_id"),
        insight_type_ids=params.get("insight_type_ids", []),
        price=value.price,
        charge_mode=_name(insight_pb2.ChargeMode, "CHARGE_MODE_", value.charge_mode),
        charge_amount=value.charge_amount if value.HasField("charge_amount") else None,
        progress=_progress(value.progress),
        totals=_totals(value),
        reservation_id=value.reservation_id if value.HasField("reservation_id") else None,
        transaction_id=value.transaction_id if value.HasField("transaction_id") else None,
        error=_job_error(value.error) if value.HasField("error") else None,
        failures=[
            models.InsightFailure(insight_type_id=one.insight_type_id, error=_job_error(one.error))
            for one in value.failures
        ],
        attempt=value.attempt,
        cancel_requested=value.cancel_requested,
        payment_retry_time=_time(value, "payment_retry_time"),
        create_time=_time(value, "create_time"),
        update_time=_time(value, "update_time"),
        start_time=_time(value, "start_time"),
        finish_time=_time(value, "finish_time"),
    )


def _progress(value: insight_pb2.JobProgress) -> models.Progress:
    return models.Progress(
        stage_index=value.stage_index,
        stage_count=value.stage_count,
        stage_name=value.stage_name,
        percent=value.percent,
    )


def _totals(value: insight_pb2.Job) -> models.Totals:
    return models.Totals(
        requested=value.requested_count, completed=value.completed_count, failed=value.failed_count
    )


def _job_error(value: insight_pb2.JobError) -> models.JobError:
    return models.JobError(code=value.reason, message=value.message, details=dict(value.metadata))


def insight(value: insight_pb2.Insight) -> models.Insight:
    """Answer an insight; whole numbers in its data are whole in JSON too."""
    return models.Insight(
        insight_id=value.insight_id,
        type=value.insight_type.insight_type_id,
        title=value.insight_type.title,
        description=value.insight_type.description,
        chart=value.insight_type.chart,
        data=_struct(value.data),
        sentences=list(value.sentences),
        job_id=value.job_id,
        create_time=_time(value, "create_time"),
        update_time=_time(value, "update_time"),
    )


def chat(value: chat_pb2.Chat) -> models.Chat:
    """Answer a chat."""
    return models.Chat(
        chat_id=value.chat_id,
        user_id=value.user_id,
        display_name=value.display_name,
        file_name=value.file_name,
        format=_name(chat_pb2.ChatFormat, "CHAT_FORMAT_", value.format),
        state=_name(chat_pb2.ChatState, "CHAT_STATE_", value.state),
        message_count=value.message_count,
        participants=[_participant(person) for person in value.participants],
        participant_count=value.participant_count,
        first_message_local_time=value.first_message_local_time,
        last_message_local_time=value.last_message_local_time,
        time_zone=value.time_zone,
        create_time=_time(value, "create_time"),
        update_time=_time(value, "update_time"),
        delete_time=_time(value, "delete_time"),
        purge_time=_time(value, "purge_time"),
        import_report=_import_report(value.import_report),
    )


def _import_report(value: chat_pb2.ImportReport) -> models.ImportReport:
    order = _name(chat_pb2.DateOrder, "DATE_ORDER_", value.date_order) if value.date_order else None
    evidence = _name(chat_pb2.DateEvidence, "DATE_EVIDENCE_", value.date_evidence)
    return models.ImportReport(
        date_order=order,
        date_evidence=evidence if value.date_evidence else None,
        date_order_guessed=value.date_order_guessed,
        skipped_count=value.skipped_count,
        skipped=list(value.skipped),
    )


def chat_stats(value: chat_pb2.ChatStats) -> models.ChatStats:
    """Answer the counts over a chat."""
    return models.ChatStats(
        chat_id=value.chat_id,
        message_count=value.message_count,
        authored_count=value.authored_count,
        participant_count=value.participant_count,
        kind_counts={
            _name(chat_pb2.MessageKind, "MESSAGE_KIND_", each.kind): each.count for each in value.kind_counts
        },
        edited_count=value.edited_count,
        character_count=value.character_count,
        first_day=value.first_day,
        last_day=value.last_day,
        active_day_count=value.active_day_count,
        longest_streak_day_count=value.longest_streak_day_count,
        longest_silence_day_count=value.longest_silence_day_count,
        weekday_counts=list(value.weekday_counts),
        hour_counts=list(value.hour_counts),
    )


def _participant(value: chat_pb2.Participant) -> models.Participant:
    return models.Participant(name=value.name, message_count=value.message_count)


def message(value: chat_pb2.Message) -> models.Message:
    """Answer a message."""
    return models.Message(
        position=value.position,
        author=value.author if value.HasField("author") else None,
        sent_local_time=value.sent_local_time,
        body=value.body,
        kind=_name(chat_pb2.MessageKind, "MESSAGE_KIND_", value.kind),
        edited=value.edited,
        attachment_name=value.attachment_name,
    )


def pool(value: ops_pb2.GetPoolStatusResponse) -> models.Pool:
    """Answer a service's connection pool."""
    return models.Pool(
        service=value.service,
        size=value.size,
        in_use=value.in_use,
        overflow=value.overflow,
        max_overflow=value.max_overflow,
        waiting=value.waiting,
    )
