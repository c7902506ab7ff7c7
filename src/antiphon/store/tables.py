"""The tables. What stands here is what the migrations build, and a test compares the two.

Every table has a plain row number as its key, so that rows are appended; what identifies a row is a unique column
beside it. Response ids are time-ordered, so their index grows at its end as well.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = ["KEYS_COUNTER", "blobs", "call_states", "counters", "keys", "metadata", "responses", "runs"]

#: The counter that grows with every change of a key.
KEYS_COUNTER = "keys"

metadata = MetaData()


def _row_number() -> Column[int]:
    # SQLite makes only an INTEGER key its row number; Postgres' INTEGER would end at two thousand million.
    return Column("row", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True)


responses = Table(
    "responses",
    metadata,
    _row_number(),
    Column("id", LargeBinary, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("previous_id", LargeBinary),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("status", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("input", LargeBinary, nullable=False),
    # Exactly one of the two is set: a small echo stands here, a large one once per tenant in `blobs`.
    Column("echo", LargeBinary),
    Column("echo_digest", LargeBinary),
    Column("states", LargeBinary),
    UniqueConstraint("id", name="responses_id"),
)
# Both only hold the rows where their column is set, which the migrations say. Said here as well, it would make every
# process import the Postgres dialect: 2 MB, and a twentieth of the time to start.
Index("responses_expires_at", responses.c.expires_at)
Index("responses_echo", responses.c.tenant, responses.c.echo_digest)

blobs = Table(
    "blobs",
    metadata,
    _row_number(),
    Column("tenant", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("tenant", "digest", name="blobs_digest"),
)

call_states = Table(
    "call_states",
    metadata,
    _row_number(),
    Column("tenant", Text, nullable=False),
    Column("call", LargeBinary, nullable=False),
    # The run that made it: they are deleted together.
    Column("response_id", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("tenant", "call", name="call_states_call"),
)
Index("call_states_response", call_states.c.response_id)
Index("call_states_expires_at", call_states.c.expires_at)

runs = Table(
    "runs",
    metadata,
    _row_number(),
    Column("id", LargeBinary, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_code", Text),
    Column("input_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("estimated", Boolean, nullable=False),
    Column("cost_micros", BigInteger),
    Column("record", LargeBinary, nullable=False),
    UniqueConstraint("id", name="runs_id"),
)
Index("runs_created_at", runs.c.created_at)

keys = Table(
    "keys",
    metadata,
    _row_number(),
    Column("id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    # JSON arrays of strings.
    Column("models", LargeBinary, nullable=False),
    Column("addresses", LargeBinary, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("revoked_at", BigInteger),
    UniqueConstraint("id", name="keys_id"),
    UniqueConstraint("digest", name="keys_digest"),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
