"""Which one of several chats in an export is to be read."""

from collections.abc import Sequence

from chat_service.parsers.errors import ChatChoice, SeveralChats


def chosen(chats: Sequence[ChatChoice], wanted: str) -> ChatChoice:
    """The only chat, or the one whose id or else whose name was asked for.

    Raises SeveralChats where that is none or more than one: with the chats whose names hold what was asked
    for, where there are any, so that a caller finds its way through more chats than an error can list.
    """
    if not wanted:
        if len(chats) == 1:
            return chats[0]
        raise SeveralChats(f"holds {len(chats):,} chats; choose one by its id or name", chats)
    for found in (
        [chat for chat in chats if chat.id == wanted],
        [chat for chat in chats if chat.name == wanted],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise SeveralChats(f"holds {len(found):,} chats of that name; choose one by its id", found)
    similar = [chat for chat in chats if wanted.casefold() in chat.name.casefold()]
    if similar:
        problem = (
            f"holds no chat of that id or name; {len(similar):,} have it in their names, choose by an id"
        )
        raise SeveralChats(problem, similar)
    raise SeveralChats("holds no chat of that id or name; choose one of those it holds", chats)
