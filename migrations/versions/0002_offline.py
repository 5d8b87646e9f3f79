"""Roots remember since when they are offline, and whether the sound of videos counts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add two columns to `root`; a library of the first schema has only roots that were there, without videos."""
    op.add_column("root", sa.Column("video", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("root", sa.Column("offline_since", sa.Float))
    op.execute("UPDATE library SET requires = '0.2.0'")
