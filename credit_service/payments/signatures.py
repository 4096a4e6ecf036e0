"""Is a webhook the provider's? Decided on the bytes of the body as they came."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

MAX_CLOCK_SKEW_S = 10.0
"""By how much a signature may be younger than our clock says now."""

_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIMESTAMPS = re.compile(r"(?:^|,)t=([^,]*)")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def stripe_verdict(
    body: bytes, headers: Mapping[str, str], secrets: Sequence[str], *, tolerance_s: int, now_s: float
) -> str:
    """Answer why it is not Stripe's, or not of these minutes; empty when it is. Header names are lower case.

    Stripe's SDK computes the signatures and takes any good v1 of several. It does not look at a timestamp
    that lies ahead, and fails in its own ways on a header or a body that is no text, so that is done here.
    Of several timestamps it signs the first, however that is written: so there must be one, in digits, or an
    old signature would be as young as a second one says.
    """
    header = headers.get("stripe-signature", "")
    stamps = _TIMESTAMPS.findall(header)
    if not header.isascii() or len(stamps) != 1 or not _TIMESTAMP.fullmatch(stamps[0]):
        return "no timestamp and signature in the header"
    if int(stamps[0]) > now_s + MAX_CLOCK_SKEW_S:
        return "the timestamp lies ahead"
    if int(stamps[0]) < now_s - tolerance_s:
        return "the timestamp is too old"
    refusals = [_stripe_refusal(body, header, secret) for secret in secrets]
    return "" if "" in refusals else (refusals or ["no secret is set"])[0]


def _stripe_refusal(body: bytes, header: str, secret: str) -> str:
    # Not by every process of this service, which may have no key of Stripe's: it takes long to load.
    import stripe

    try:
        # The age was looked at above, by the clock that was given.
        stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
    except stripe.SignatureVerificationError:
        return "no signature of ours"
    except UnicodeDecodeError:
        return "the body is no text"
    return ""


def razorpay_verdict(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> str:
    """Answer why it is not Razorpay's; empty when it is. Header names are lower case.

    Computed on bytes: the SDK's own function takes text only, and raises for a signature that is not ASCII.
    Several secrets, because after a change retries still come signed with the old one.
    """
    given = headers.get("x-razorpay-signature", "")
    if not _HEX_SHA256.fullmatch(given):
        return "no signature in the header"
    good = [hmac.compare_digest(hmac_sha256(secret.encode(), body), given) for secret in secrets]
    return "" if any(good) else "no signature of ours"


def hmac_sha256(secret: bytes, message: bytes) -> str:
    """Answer the HMAC-SHA256 in lower-case hexadecimal."""
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
