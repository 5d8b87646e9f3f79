"""Metadata of contents, words to search and facets to filter by, background scores, saved searches."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables, the triggers that remember whose words are out of date, and list every sound there is as such."""
    op.create_table(
        "tags",
        sa.Column("content_id", sa.Integer, sa.ForeignKey("content.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_table(
        "facet",
        sa.Column("sound_id", sa.Integer, sa.ForeignKey("sound.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("called", sa.Text, nullable=False),
        sa.Column("ext", sa.Text, nullable=False),
        sa.Column("cat_id", sa.Text),
        sa.Column("category", sa.Text),
        sa.Column("dated", sa.Float, nullable=False),
    )
    for column in ("called", "ext", "cat_id", "category", "dated"):
        op.create_index(f"ix_facet_{column}", "facet", [column])
    for column in ("duration_s", "sr", "channels"):
        op.create_index(f"ix_content_{column}", "content", [column])
    op.create_table("stale", sa.Column("sound_id", sa.Integer, primary_key=True))
    op.create_table(
        "background",
        sa.Column("checkpoint_id", sa.Integer, sa.ForeignKey("checkpoint.id"), primary_key=True),
        sa.Column("scores", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "saved",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("query", sa.Text, nullable=False),
    )
    op.execute(
        'CREATE VIRTUAL TABLE words USING fts5(name, folder, tags, tokenize="porter unicode61 remove_diacritics 2")'
    )
    # Not INSERT OR IGNORE: in a trigger, an upsert of the statement that fires it overrules that.
    outdated = "BEGIN INSERT INTO stale (sound_id) SELECT NEW.id WHERE NEW.id NOT IN (SELECT sound_id FROM stale); END"
    op.execute(f"CREATE TRIGGER sound_came AFTER INSERT ON sound {outdated}")
    op.execute(f"CREATE TRIGGER sound_changed AFTER UPDATE OF relpath, mtime_ns, content_id ON sound {outdated}")
    op.execute(
        "CREATE TRIGGER sound_left AFTER DELETE ON sound BEGIN"
        " DELETE FROM words WHERE rowid = OLD.id; DELETE FROM stale WHERE sound_id = OLD.id; END"
    )
    held = (
        "BEGIN INSERT INTO stale (sound_id) SELECT id FROM sound"
        " WHERE content_id = NEW.content_id AND id NOT IN (SELECT sound_id FROM stale); END"
    )
    op.execute(f"CREATE TRIGGER tags_came AFTER INSERT ON tags {held}")
    op.execute(f"CREATE TRIGGER tags_changed AFTER UPDATE ON tags {held}")
    op.execute("INSERT INTO stale (sound_id) SELECT id FROM sound")
    op.execute("UPDATE library SET requires = '0.3.0'")
