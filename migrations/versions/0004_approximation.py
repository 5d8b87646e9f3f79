"""The approximate index beside a snapshot."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table of what was tried; no library of an earlier schema has an approximate index."""
    op.create_table(
        "approximation",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("snapshot", sa.Text, nullable=False),
        sa.Column("exact_ms", sa.Float, nullable=False),
        sa.Column("why_not", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("n_bytes", sa.Integer),
        sa.Column("n_lists", sa.Integer),
        sa.Column("n_probe", sa.Integer),
        sa.Column("n_trained", sa.Integer),
        sa.Column("recall_by_sounds", sa.Float),
        sa.Column("n_sounds", sa.Integer),
        sa.Column("recall_by_texts", sa.Float),
        sa.Column("n_texts", sa.Integer),
    )
    op.execute("UPDATE library SET requires = '0.4.0'")
