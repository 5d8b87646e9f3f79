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
    Text,
    UniqueConstraint,
    false,
)

# "clap" in ASCII, in SQLite's header: tells a library from any other database.
APPLICATION_ID = 0x636C6170
SCHEMA_REVISION = "0002"

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
    Column("duration_s", Float),
    Column("sr", Integer),
    Column("channels", Integer),
    Column("format", Text),
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
