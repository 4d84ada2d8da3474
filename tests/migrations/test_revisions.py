"""The revisions make exactly the tables that the models describe, and take them away again."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import PrimaryKeyConstraint, inspect, text

from flask_billing.cli.history import own_revisions
from tests.host import db
from tests.migrations.revisions import TABLES, downgrade_to_base, step, upgrade_to_head

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: Change no table, only what is in one.
FILLING = {"fb0076_collect_closed"}
COLUMNS = text(
    "SELECT table_name, column_name, data_type, character_maximum_length, collation_name,"
    " datetime_precision, numeric_precision, column_default, is_nullable"
    " FROM information_schema.columns WHERE table_schema = :schema"
    " ORDER BY table_name, ordinal_position"
)


def test_revisions_make_the_tables_of_the_models(engine: Engine) -> None:
    with engine.begin() as connection:
        upgrade_to_head(connection)
        made = description(connection)
        downgrade_to_base(connection)
        db.metadata.create_all(connection, tables=TABLES)
        meant = description(connection)

    assert made == meant


def test_each_downgrade_reverses_its_upgrade(engine: Engine) -> None:
    scripts = own_revisions()
    with engine.begin() as connection:
        states = [description(connection)]
        for script in scripts:
            step(connection, script, "upgrade")
            states.append(description(connection))

        back = []
        for script in reversed(scripts):
            back.append(description(connection))
            step(connection, script, "downgrade")
        back.append(description(connection))

    assert back == states[::-1]
    same = {script.revision for i, script in enumerate(scripts) if states[i] == states[i + 1]}
    assert same == FILLING


def test_revisions_run_again_after_a_downgrade(engine: Engine) -> None:
    with engine.begin() as connection:
        upgrade_to_head(connection)
        first = description(connection)
        downgrade_to_base(connection)

        upgrade_to_head(connection)

        assert description(connection) == first


def test_second_database_of_a_host_gets_no_billing_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        upgrade_to_head(connection, engine_name="archive")
        downgrade_to_base(connection, engine_name="archive")

        assert inspect(connection).get_table_names() == []


def test_every_constraint_has_the_name_that_the_models_say(migrated: Engine) -> None:
    inspector = inspect(migrated)

    names = {
        constraint["name"]
        for table in TABLES
        for constraint in [
            *inspector.get_unique_constraints(table.name),
            *inspector.get_foreign_keys(table.name),
            *inspector.get_check_constraints(table.name),
        ]
    }

    assert names == {
        constraint.name
        for table in TABLES
        for constraint in table.constraints
        if not isinstance(constraint, PrimaryKeyConstraint)
    }


def test_primary_keys_are_named_after_their_table(migrated: Engine) -> None:
    if migrated.dialect.name == "mariadb":
        return  # which calls every primary key PRIMARY
    inspector = inspect(migrated)

    names = {table.name: inspector.get_pk_constraint(table.name)["name"] for table in TABLES}

    assert names == {table.name: f"{table.name}_pkey" for table in TABLES}


def test_revisions_are_one_line_of_short_ids() -> None:
    scripts = own_revisions()
    ids = [script.revision for script in scripts]

    assert [script.down_revision for script in scripts] == [None, *ids[:-1]]
    assert [Path(script.path).stem for script in scripts] == ids
    # What alembic_version has room for.
    assert all(len(id_) <= 32 for id_ in ids)


def test_revisions_import_nothing_of_the_package() -> None:
    imported = {
        name
        for script in own_revisions()
        for node in ast.walk(ast.parse(Path(script.path).read_text()))
        for name in modules_of(node)
    }

    assert imported == {"alembic", "datetime", "sqlalchemy", "sqlalchemy.dialects", "typing"}


def modules_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def description(connection: Connection) -> dict[str, Any]:
    """What a database says about its tables, as far as it can be compared."""
    inspector = inspect(connection)
    names = sorted(inspector.get_table_names())
    return {
        "columns": columns(connection, names),
        **{
            name: {
                "key": inspector.get_pk_constraint(name)["constrained_columns"],
                "unique": by_name(inspector.get_unique_constraints(name)),
                "foreign": by_name(inspector.get_foreign_keys(name)),
                "checks": by_name(inspector.get_check_constraints(name)),
                "indexes": by_name(inspector.get_indexes(name)),
            }
            for name in names
        },
    }


def columns(connection: Connection, tables: list[str]) -> list[tuple[Any, ...]]:
    if connection.dialect.name == "sqlite":
        found = {name: inspect(connection).get_columns(name) for name in tables}
        return [
            (name, column["name"], repr(column["type"]), column["nullable"], column["default"])
            for name in tables
            for column in found[name]
        ]
    schema = inspect(connection).default_schema_name
    return [tuple(row) for row in connection.execute(COLUMNS, {"schema": schema})]


def by_name(constraints: Any) -> list[Any]:
    return sorted(constraints, key=lambda constraint: str(constraint["name"]))
