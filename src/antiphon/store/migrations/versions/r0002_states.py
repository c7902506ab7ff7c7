"""What providers want back: with stored turns, and for a while with calls."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """A column of stored turns, and a table of calls."""
    op.add_column("responses", sa.Column("states", sa.LargeBinary))
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "call_states",
        sa.Column("row", number, primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("call", sa.LargeBinary, nullable=False),
        sa.Column("response_id", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("tenant", "call", name="call_states_call"),
    )
    op.create_index("call_states_response", "call_states", ["response_id"])
    op.create_index("call_states_expires_at", "call_states", ["expires_at"])
