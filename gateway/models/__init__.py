"""What the API answers and takes, as JSON. Times are RFC 3339 in UTC, ids strings, coins numbers."""

from gateway.models.admin import Account, AdminGrantRequest, AdminMove, AdminRefundRequest, GrantType
from gateway.models.catalogue import Categories, Category, CategoryInsights, InsightType
from gateway.models.chats import Chat, Chats, Message, Messages, Participant, RenameRequest
from gateway.models.credits import Balance, Package, Packages, Transaction, Transactions, TransactionType
from gateway.models.insights import ChatInsights, Insight, Job, JobError, Progress, Totals, UnlockRequest
from gateway.models.operations import Health, Pool, Pools, Root, ServiceHealth
from gateway.models.users import Erasure, StoreUserRequest, User

__all__ = [
    "Account",
    "AdminGrantRequest",
    "AdminMove",
    "AdminRefundRequest",
    "Balance",
    "Categories",
    "Category",
    "CategoryInsights",
    "Chat",
    "ChatInsights",
    "Chats",
    "Erasure",
    "GrantType",
    "Health",
    "Insight",
    "InsightType",
    "Job",
    "JobError",
    "Message",
    "Messages",
    "Package",
    "Packages",
    "Participant",
    "Pool",
    "Pools",
    "Progress",
    "RenameRequest",
    "Root",
    "ServiceHealth",
    "StoreUserRequest",
    "Totals",
    "Transaction",
    "TransactionType",
    "Transactions",
    "UnlockRequest",
    "User",
]
