"""The tables of a library. Migrations create them; a test holds both equal."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    TableClause,
    Text,
    UniqueConstraint,
    column,
    false,
)

# "clap" in ASCII, in SQLite's header: tells a library from any other database.
APPLICATION_ID = 0x636C6170
SCHEMA_REVISION = "0004"

metadata = MetaData()

# One row. `requires` is the oldest clapsearch that can use this schema; every migration raises it.
library = Table(
    "library",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True),
    Column("requires", Text, nullable=False),
    Column("checkpoint_id", ForeignKey("checkpoint.id")),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("revision", Text),
    Column("weights_hash", Text, nullable=False),
    Column("front_end", Text, nullable=False),
    Column("resampler", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("precision", Text, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("window_s", Float, nullable=False),
)

# `path` and `relpath` are os.fsencode bytes: names need not be valid text. `exclude` is a JSON list of globs; `video`:
# the sound of video files counts; `offline_since`: unix seconds, null while the folder is there.
root = Table(
    "root",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", LargeBinary, nullable=False, unique=True),
    Column("exclude", Text, nullable=False),
    Column("video", Boolean, nullable=False, server_default=false()),
    Column("offline_since", Float),
)

# What a file's bytes are. The numbers are null for bytes that never decoded.
content = Table(
    "content",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("duration_s", Float, index=True),
    Column("sr", Integer, index=True),
    Column("channels", Integer, index=True),
    Column("format", Text),
)

# What a file says of itself, as JSON, and the version of the reader (`clapsearch.metadata`).
tags = Table(
    "tags",
    metadata,
    Column("content_id", ForeignKey("content.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("data", Text, nullable=False),
)

sound = Table(
    "sound",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("root_id", ForeignKey("root.id"), nullable=False),
    Column("relpath", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("content_id", ForeignKey("content.id"), index=True),
    Column("missing_since", Float),  # unix seconds; null while the file is there
    UniqueConstraint("root_id", "relpath"),
)

# What to find sounds by beside the numbers of their contents; `called`: the file's name less its ending, its words run
# together; `dated`: when it was recorded, by its metadata, or else changed: the time on the clocks there, as unix
# seconds.
facet = Table(
    "facet",
    metadata,
    Column("sound_id", ForeignKey("sound.id", ondelete="CASCADE"), primary_key=True),
    Column("called", Text, nullable=False, index=True),
    Column("ext", Text, nullable=False, index=True),
    Column("cat_id", Text, index=True),
    Column("category", Text, index=True),
    Column("dated", Float, nullable=False, index=True),
)

# FTS5: what sounds are called, by sound id. Not a table of `metadata`: SQLite makes five of it.
WORDS = ("name", "folder", "tags")
words = TableClause("words", *(column(name) for name in ("rowid", "words", *WORDS)))  # matched by its own name

# Sounds whose words and facets are out of date; triggers fill it, every write transaction empties it before it ends.
stale = Table("stale", metadata, Column("sound_id", Integer, primary_key=True))

# The best score that each of many ordinary texts reaches here, ascending little-endian float32.
background = Table(
    "background",
    metadata,
    Column("checkpoint_id", ForeignKey("checkpoint.id"), primary_key=True),
    Column("scores", LargeBinary, nullable=False),
)

# Searches that the user named, in the query language.
saved = Table("saved", metadata, Column("name", Text, primary_key=True), Column("query", Text, nullable=False))

# `transient`: the bytes could not be read, so the next run tries again; else a verdict about unchanged bytes.
failure = Table(
    "failure",
    metadata,
    Column("sound_id", ForeignKey("sound.id", ondelete="CASCADE"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("transient", Boolean, nullable=False),
    Column("failed_at", Float, nullable=False),
)

# `data`: n vectors of dim little-endian float16, the whole first, then the moments; `crc` is zlib.crc32 of it.
embedding = Table(
    "embedding",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("content_id", ForeignKey("content.id"), nullable=False),
    Column("checkpoint_id", ForeignKey("checkpoint.id"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("crc", Integer, nullable=False),
    UniqueConstraint("content_id", "checkpoint_id"),
    sqlite_autoincrement=True,  # an old label can never point at new content
)

# Embeddings deleted since the newest snapshot; a trigger fills it.
dead = Table("dead", metadata, Column("embedding_id", Integer, primary_key=True))

snapshot = Table(
    "snapshot",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("checkpoint_id", ForeignKey("checkpoint.id"), nullable=False),
    Column("max_embedding_id", Integer, nullable=False),
    Column("n_vectors", Integer, nullable=False),
    Column("n_bytes", Integer, nullable=False),
)

# At most one row: the approximate index made beside the snapshot of that name, or why there is none (`why_not`: null if
# none is needed). Once there is a newer snapshot, no search uses it; the next one is made from it.
approximation = Table(
    "approximation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("snapshot", Text, nullable=False),
    Column("exact_ms", Float, nullable=False),
    Column("why_not", Text),
    Column("name", Text),
    Column("n_bytes", Integer),
    Column("n_lists", Integer),
    Column("n_probe", Integer),
    Column("n_trained", Integer),
    Column("recall_by_sounds", Float),
    Column("n_sounds", Integer),
    Column("recall_by_texts", Float),
    Column("n_texts", Integer),
)
