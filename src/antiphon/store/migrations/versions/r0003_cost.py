"""What a run cost."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """A column of runs. Earlier runs have no cost."""
    op.add_column("runs", sa.Column("cost_micros", sa.BigInteger))
