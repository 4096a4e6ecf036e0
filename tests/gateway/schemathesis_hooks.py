"""What schemathesis is told of the formats in the OpenAPI document; it loads this by its own setting."""

import schemathesis
from hypothesis import strategies as st

from tests.gateway.house import EXPORT

# A token that is none is an error, and a real one comes from a page before.
schemathesis.openapi.format("page-token", st.just(""))
schemathesis.openapi.format("time-zone", st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]))
schemathesis.openapi.format("chat-export", st.just(EXPORT.decode()))
