"""The first schema: stored turns, their shared echoes, runs, keys."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    _create_responses()
    _create_blobs()
    _create_runs()
    _create_keys()


def _row_number() -> sa.Column[int]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("row", number, primary_key=True, autoincrement=True)


def _create_responses() -> None:
    op.create_table(
        "responses",
        _row_number(),
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("previous_id", sa.LargeBinary),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("upstream_model", sa.Text, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.Column("input", sa.LargeBinary, nullable=False),
        sa.Column("echo", sa.LargeBinary),
        sa.Column("echo_digest", sa.LargeBinary),
        sa.UniqueConstraint("id", name="responses_id"),
    )
    for name, columns, filled in (
        ("responses_expires_at", ["expires_at"], "expires_at IS NOT NULL"),
        ("responses_echo", ["tenant", "echo_digest"], "echo_digest IS NOT NULL"),
    ):
        where = sa.text(filled)
        op.create_index(name, "responses", columns, sqlite_where=where, postgresql_where=where)


def _create_blobs() -> None:
    op.create_table(
        "blobs",
        _row_number(),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("tenant", "digest", name="blobs_digest"),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        _row_number(),
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("upstream_model", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("cached_tokens", sa.BigInteger),
        sa.Column("cache_write_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("id", name="runs_id"),
    )
    op.create_index("runs_created_at", "runs", ["created_at"])


def _create_keys() -> None:
    op.create_table(
        "keys",
        _row_number(),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("models", sa.LargeBinary, nullable=False),
        sa.Column("addresses", sa.LargeBinary, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.UniqueConstraint("id", name="keys_id"),
        sa.UniqueConstraint("digest", name="keys_digest"),
    )
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(counters, [{"name": "keys", "value": 0}])
