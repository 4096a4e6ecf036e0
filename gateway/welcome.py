"""What a person sees once everything serves: where it is, a token, and three commands to try."""

from gateway.settings import GatewaySettings
from gateway.tokens import development_token

DEMO_USER = "demo"

_TEXT = """
  Holdfast serves.

  REST             {url}
  API page         {url}/docs
  credit_service   {credit} (gRPC, reflection on)
  chat_service     {chat} (gRPC, reflection on)

  A token for the user "{user}", good for 24 hours:

  {token}

  Try:

  curl -X POST {url}/api/users/store -H 'Authorization: Bearer {token}'

  grpcurl -plaintext -d '{{"user_id": "{user}"}}' {credit} credit.v1.CreditService/GetAccount

  Open {url}/docs and press Authorize.
"""


def welcome(settings: GatewaySettings) -> str:
    """Answer the text; raises ValueError where development tokens are not accepted."""
    # A server that listens everywhere is found here.
    host = "127.0.0.1" if settings.bind_host in ("0.0.0.0", "::") else settings.bind_host  # noqa: S104
    return _TEXT.format(
        url=f"http://{host}:{settings.gateway_port}",
        credit=settings.credit_target,
        chat=settings.chat_target,
        user=DEMO_USER,
        token=development_token(settings, DEMO_USER),
    )
