"""All tables of this service: importing this fills `Base.metadata`."""

from chat_service.base import Base
from chat_service.catalogue.models import Category, CategoryInsightType, InsightType
from chat_service.chats.models import Chat, Message
from chat_service.erasure.models import Erasure, SignupBonusClaim
from chat_service.insights.models import Insight
from chat_service.jobs.models import Job, JobStep
from chat_service.questions.models import Conversation, ConversationTurn
from chat_service.search.models import ChatChunk, ChatIndex, ChatSigns, ChatVector
from chat_service.users.models import User

__all__ = [
    "Base",
    "Category",
    "CategoryInsightType",
    "Chat",
    "ChatChunk",
    "ChatIndex",
    "ChatSigns",
    "ChatVector",
    "Conversation",
    "ConversationTurn",
    "Erasure",
    "Insight",
    "InsightType",
    "Job",
    "JobStep",
    "Message",
    "SignupBonusClaim",
    "User",
]
