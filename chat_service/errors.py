"""The errors of this service's domain, as their callers see them."""

from collections.abc import Mapping, Sequence

import grpc

from chat_service.parsers.errors import ChatChoice
from servicekit.errors import ServiceError


class UserNotFound(ServiceError):
    """Nobody stored this user."""

    reason = "USER_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, user_id: str) -> None:
        """Name the user."""
        super().__init__(f"there is no user {user_id}", metadata={"user_id": user_id})


class ErasureInProgress(ServiceError):
    """The user was deleted a moment ago and the account is not closed yet; nothing was changed."""

    reason = "ERASURE_IN_PROGRESS"
    code = grpc.StatusCode.UNAVAILABLE

    def __init__(self, user_id: str, retry_after_s: float = 1.0) -> None:
        """Name the user and when to try again, in seconds."""
        super().__init__(
            f"user {user_id} is being deleted; try again in a moment",
            metadata={"user_id": user_id},
            retry_after_s=retry_after_s,
        )


class ChatNotFound(ServiceError):
    """The user has no such chat: it never was, is deleted, or belongs to somebody else."""

    reason = "CHAT_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, chat_id: object) -> None:
        """Name the chat."""
        super().__init__(f"there is no chat {chat_id}", metadata={"chat_id": chat_id})


class CategoryNotFound(ServiceError):
    """No such category is on sale."""

    reason = "CATEGORY_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, category_id: str) -> None:
        """Name the category."""
        super().__init__(f"there is no category {category_id}", metadata={"category_id": category_id})


class ImportUnreadable(ServiceError):
    """The file is not an export that can be read."""

    reason = "IMPORT_UNREADABLE"
    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, file_name: str, line: int, problem: str) -> None:
        """Name the file, the line from 1 (0: no single one is to blame), and what is wrong with it."""
        where = f"{file_name}, line {line}" if line else file_name
        super().__init__(
            f"{where}: {problem}", metadata={"file_name": file_name, "line": line, "problem": problem}
        )


class ImportTooLarge(ServiceError):
    """The file holds more than may be imported."""

    reason = "IMPORT_TOO_LARGE"
    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, file_name: str, size: int, limit: int, unit: str = "bytes") -> None:
        """Say how much there is at least, and how much may be."""
        super().__init__(
            f"{file_name}: {size:,} {unit} or more, at most {limit:,} are taken",
            metadata={"file_name": file_name, "size": size, "limit": limit, "unit": unit},
        )


class ImportEncrypted(ServiceError):
    """The file is encrypted."""

    reason = "IMPORT_ENCRYPTED"
    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, file_name: str) -> None:
        """Name the file."""
        super().__init__(
            f"{file_name}: is encrypted; export the chat without a password",
            metadata={"file_name": file_name},
        )


class ImportChooseChat(ServiceError):
    """The file holds several chats, and the caller has to say which one."""

    reason = "IMPORT_CHOOSE_CHAT"
    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, file_name: str, problem: str, chats: Sequence[ChatChoice]) -> None:
        """Name the file and the chats to choose from; the largest are listed first, and all are counted."""
        largest_first = sorted(chats, key=lambda chat: -(chat.message_count or 0))
        super().__init__(
            f"{file_name}: {problem}",
            metadata={"file_name": file_name, "problem": problem, "chat_count": len(chats)},
            lists={
                "chats": [
                    {"id": chat.id, "name": chat.name, "message_count": chat.message_count}
                    for chat in largest_first
                ]
            },
        )


class JobNotFound(ServiceError):
    """There is no such job, or it belongs to somebody else."""

    reason = "JOB_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, job_id: object) -> None:
        """Name the job."""
        super().__init__(f"there is no job {job_id}", metadata={"job_id": job_id})


class ConversationNotFound(ServiceError):
    """The user has no such conversation: it never was, is deleted, or belongs to somebody else."""

    reason = "CONVERSATION_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, conversation_id: object) -> None:
        """Name the conversation."""
        super().__init__(
            f"there is no conversation {conversation_id}", metadata={"conversation_id": conversation_id}
        )


class ModelUnavailable(ServiceError):
    """The language model did not answer, or not to the end. Nothing was charged."""

    reason = "MODEL_UNAVAILABLE"
    code = grpc.StatusCode.UNAVAILABLE

    def __init__(self, problem: str) -> None:
        """Say what went wrong, without what was asked or answered."""
        super().__init__(
            f"the language model gave no whole answer: {problem}",
            metadata={"problem": problem},
            retry_after_s=5.0,
        )


class ChatNotReady(ServiceError):
    """The chat cannot be worked on yet."""

    reason = "CHAT_NOT_READY"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, chat_id: object, state: str, percent: int | None = None) -> None:
        """Name the chat and the state that it is in; and how far its index is, while that is being made."""
        metadata: dict[str, object] = {"chat_id": chat_id, "state": state}
        why = f"it is {state}"
        if percent is not None:
            metadata["percent"] = percent
            why = f"its index is being made ({percent} %); ask again"
        super().__init__(f"chat {chat_id} is not ready: {why}", metadata=metadata)


class NothingToUnlock(ServiceError):
    """The chat has all insights of the category, or a job is making them."""

    reason = "NOTHING_TO_UNLOCK"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, chat_id: object, category_id: str, state: str) -> None:
        """Name the chat and the category; `state` is UNLOCKED or ORDERED."""
        why = "its insights are unlocked" if state == "UNLOCKED" else "a job is making its insights"
        super().__init__(
            f"there is nothing to unlock in category {category_id} of chat {chat_id}: {why}",
            metadata={"chat_id": chat_id, "category_id": category_id, "state": state},
        )


class JobNotCancellable(ServiceError):
    """The job settles or has ended."""

    reason = "JOB_NOT_CANCELLABLE"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, job_id: object, state: str) -> None:
        """Name the job and the state that it is in."""
        super().__init__(
            f"job {job_id} can no longer be cancelled, it is {state}",
            metadata={"job_id": job_id, "state": state},
        )


class StaleLease(ServiceError):
    """The attempt is over: another one holds the job, or this one has ended. Nothing was changed."""

    reason = "STALE_LEASE"
    code = grpc.StatusCode.ABORTED

    def __init__(self, job_id: object, attempt: int, current_attempt: int) -> None:
        """Name the job, the attempt that called, and the latest one."""
        super().__init__(
            f"attempt {attempt} does not hold job {job_id}; its latest attempt is {current_attempt}",
            metadata={"job_id": job_id, "attempt": attempt, "current_attempt": current_attempt},
        )


class InsufficientCredits(ServiceError):
    """The account has too few coins. A job remembers it: its order gets this answer for ever."""

    reason = "INSUFFICIENT_CREDITS"
    code = grpc.StatusCode.FAILED_PRECONDITION


class AccountClosed(ServiceError):
    """The account takes no more orders. A job remembers it too."""

    reason = "ACCOUNT_CLOSED"
    code = grpc.StatusCode.FAILED_PRECONDITION


class AccountNotFound(ServiceError):
    """credit_service never granted a coin to this user."""

    reason = "ACCOUNT_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND


class ReservationExpired(ServiceError):
    """The reservation's time ran out; its coins are back."""

    reason = "RESERVATION_EXPIRED"
    code = grpc.StatusCode.FAILED_PRECONDITION


class ReservationAlreadyCharged(ServiceError):
    """The reservation's coins were taken; the metadata has `transaction_id`."""

    reason = "RESERVATION_ALREADY_CHARGED"
    code = grpc.StatusCode.FAILED_PRECONDITION


class ReservationAlreadyReleased(ServiceError):
    """The reservation's coins are back."""

    reason = "RESERVATION_ALREADY_RELEASED"
    code = grpc.StatusCode.FAILED_PRECONDITION


class ReservationNotFound(ServiceError):
    """credit_service has no such reservation."""

    reason = "RESERVATION_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND


#: Errors of credit_service that this service meets by type.
FROM_CREDIT: Mapping[str, type[ServiceError]] = {
    kind.reason: kind
    for kind in (
        InsufficientCredits,
        AccountClosed,
        AccountNotFound,
        ReservationExpired,
        ReservationAlreadyCharged,
        ReservationAlreadyReleased,
        ReservationNotFound,
    )
}
