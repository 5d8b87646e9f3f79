"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table, the trigger that remembers deleted embeddings, and the one row of `library`."""
    op.create_table(
        "checkpoint",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("revision", sa.Text),
        sa.Column("weights_hash", sa.Text, nullable=False),
        sa.Column("front_end", sa.Text, nullable=False),
        sa.Column("resampler", sa.Text, nullable=False),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("precision", sa.Text, nullable=False),
        sa.Column("dim", sa.Integer, nullable=False),
        sa.Column("window_s", sa.Float, nullable=False),
    )
    op.create_table(
        "library",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True),
        sa.Column("requires", sa.Text, nullable=False),
        sa.Column("checkpoint_id", sa.Integer, sa.ForeignKey("checkpoint.id")),
    )
    op.create_table(
        "root",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("exclude", sa.Text, nullable=False),
    )
    op.create_table(
        "content",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("duration_s", sa.Float),
        sa.Column("sr", sa.Integer),
        sa.Column("channels", sa.Integer),
        sa.Column("format", sa.Text),
    )
    op.create_table(
        "sound",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("root_id", sa.Integer, sa.ForeignKey("root.id"), nullable=False),
        sa.Column("relpath", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("mtime_ns", sa.Integer, nullable=False),
        sa.Column("content_id", sa.Integer, sa.ForeignKey("content.id")),
        sa.Column("missing_since", sa.Float),
        sa.UniqueConstraint("root_id", "relpath"),
    )
    op.create_index("ix_sound_content_id", "sound", ["content_id"])
    op.create_table(
        "failure",
        sa.Column("sound_id", sa.Integer, sa.ForeignKey("sound.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("transient", sa.Boolean, nullable=False),
        sa.Column("failed_at", sa.Float, nullable=False),
    )
    op.create_table(
        "embedding",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("content_id", sa.Integer, sa.ForeignKey("content.id"), nullable=False),
        sa.Column("checkpoint_id", sa.Integer, sa.ForeignKey("checkpoint.id"), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("dim", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("crc", sa.Integer, nullable=False),
        sa.UniqueConstraint("content_id", "checkpoint_id"),
        sqlite_autoincrement=True,
    )
    op.create_table("dead", sa.Column("embedding_id", sa.Integer, primary_key=True))
    op.create_table(
        "snapshot",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("checkpoint_id", sa.Integer, sa.ForeignKey("checkpoint.id"), nullable=False),
        sa.Column("max_embedding_id", sa.Integer, nullable=False),
        sa.Column("n_vectors", sa.Integer, nullable=False),
        sa.Column("n_bytes", sa.Integer, nullable=False),
    )
    op.execute(
        "CREATE TRIGGER embedding_died AFTER DELETE ON embedding"
        " BEGIN INSERT OR IGNORE INTO dead (embedding_id) VALUES (OLD.id); END"
    )
    op.execute("INSERT INTO library (id, requires) VALUES (1, '0.1.0')")
