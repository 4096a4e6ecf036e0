"""The errors of this service's domain, as their callers see them."""

from collections.abc import Mapping

import grpc

from servicekit.errors import ServiceError


class UserNotFound(ServiceError):
    """Nobody stored this user."""

    reason = "USER_NOT_FOUND"
    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, user_id: str) -> None:
        """Name the user."""
        super().__init__(f"there is no user {user_id}", metadata={"user_id": user_id})


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


#: Errors of credit_service that this service meets by type.
FROM_CREDIT: Mapping[str, type[ServiceError]] = {}
