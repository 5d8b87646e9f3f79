"""Alembic environment: runs on the connection that `clapsearch.migrate` hands over."""

from alembic import context

from clapsearch.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can: a killed upgrade leaves the old schema whole
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
