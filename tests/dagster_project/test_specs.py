from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from audiences import Project
from audiences.definitions.computation import Computation
from audiences.engines.polars import PolarsEngine
from audiences.errors import Problem
from audiences.language.fingerprint import fingerprint
from audiences.language.parse import parse
from dagster_project.definitions import build
from dagster_project.specs import disabled_specs, enabled_specs

BROKEN = """\
traits:
  - key: good
    definition: event('Order Completed').count()
  - key: misspelt
    definition: event('Order Completed').cuont()
"""

NOT_YAML = "traits: [\n  - key: {"

CIRCLE = """\
audiences:
  - {key: first, definition: trait('second') = true}
  - {key: second, definition: trait('first') = true}
"""


def specs_of(folder: Path) -> dict[str, dg.AssetSpec]:
    return {spec.key.path[-1]: spec for spec in enabled_specs(Project.load(folder))}


def test_one_spec_per_computation(project_folder: Path) -> None:
    specs = enabled_specs(Project.load(project_folder))

    assert [spec.key.path for spec in specs] == [
        ["audiences", "buyers"],
        ["audiences", "big_buyers"],
        ["audiences", "orders"],
        ["audiences", "revenue"],
    ]
    assert {spec.group_name for spec in specs} == {"shop"}


def test_dependencies_are_between_computations(project_folder: Path) -> None:
    specs = specs_of(project_folder)

    def depends_on(key: str) -> set[str]:
        return {dependency.asset_key.path[-1] for dependency in specs[key].deps}

    assert depends_on("orders") == set()
    assert depends_on("buyers") == {"orders"}
    assert depends_on("big_buyers") == {"revenue", "buyers"}


def test_owner_tags_kind_and_code_version(project_folder: Path) -> None:
    specs = specs_of(project_folder)

    assert specs["orders"].owners == ["team:growth"]
    assert {"shop", "money-orders"} <= specs["orders"].tags.keys()
    assert specs["orders"].kinds == {"trait"}
    assert specs["buyers"].kinds == {"audience"}
    assert specs["buyers"].code_version == fingerprint(parse("trait('orders') >= 1"))


def test_what_else_changes_a_result_changes_the_code_version(
    make_project: Callable[[dict[str, str]], Path],
) -> None:
    definition = "definition: event('Order Completed').count()"
    specs = specs_of(
        make_project(
            {
                "all.yml": "traits:\n"
                f"  - {{key: plain, {definition}}}\n"
                f"  - {{key: renamed, name: Another name, {definition}}}\n"
                f"  - {{key: with_default, default: 0, {definition}}}\n"
                f"  - {{key: with_other_default, default: 1, {definition}}}\n"
                f"  - {{key: since, events_since: 2024-01-10, {definition}}}\n"
            }
        )
    )
    versions = [specs[key].code_version for key in ("plain", "with_default", "with_other_default", "since")]

    assert len(set(versions)) == 4
    assert specs["renamed"].code_version == specs["plain"].code_version


def test_description_says_what_it_is_and_that_the_clock_is_fixed(project_folder: Path) -> None:
    description = specs_of(project_folder)["orders"].description

    assert description == (
        "Orders\n\n"
        "How many orders a person placed in the last 30 days.\n\n"
        "The clock of this space is fixed: as of 2024-03-01 00:00 UTC."
    )


def test_metadata_links_the_yaml_line_and_has_both_forms(project_folder: Path) -> None:
    metadata = specs_of(project_folder)["revenue"].metadata
    references = metadata["dagster/code_references"].code_references

    yaml_file = project_folder / "definitions" / "shop" / "traits.yml"
    line = next(
        number for number, text in enumerate(yaml_file.read_text().splitlines(), start=1) if "key: revenue" in text
    )
    assert [(Path(one.file_path), one.line_number) for one in references] == [(yaml_file, line)]
    assert references[0].label == f"shop/traits.yml:{line}"
    assert "event('Order Completed').sum(property('revenue'))" in metadata["definition"].value
    assert "function: sum" in metadata["as_yaml"].value
    assert [(column.name, column.type) for column in metadata["dagster/column_schema"].schema.columns] == [
        ("id", "string"),
        ("value", "number"),
    ]


def test_a_broken_definition_is_shown_and_the_others_load(
    make_project: Callable[[dict[str, str]], Path],
) -> None:
    specs = specs_of(make_project({"shop/eu/all.yml": BROKEN}))

    assert specs["good"].kinds == {"trait"}
    assert specs["misspelt"].kinds == {"broken"}
    assert specs["misspelt"].group_name == specs["good"].group_name == "shop/eu"
    assert "definitions/shop/eu/all.yml:5" in (specs["misspelt"].description or "")
    assert "cuont" in (specs["misspelt"].description or "")


@pytest.mark.parametrize(
    ("files", "broken"),
    [
        ({"shop/not.yml": NOT_YAML}, {"definitions_shop_not_yml"}),
        ({"circle.yml": CIRCLE}, {"first", "second"}),
    ],
)
def test_files_and_circles_that_are_broken_do_not_stop_the_location(
    make_project: Callable[[dict[str, str]], Path], files: dict[str, str], broken: set[str]
) -> None:
    folder = make_project({"good.yml": "traits:\n  - {key: good, definition: event('X').count()}\n", **files})
    specs = specs_of(folder)

    assert {key for key, spec in specs.items() if "broken" in spec.kinds} == broken
    assert "good" in specs
    dg.Definitions.validate_loadable(build(Project.load(folder)))


def test_what_is_not_computed_yet_is_shown_with_its_definition(
    project_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusals(engine: PolarsEngine, computation: Computation) -> list[Problem]:
        refused = Problem(computation.location, "joins of orders: not yet", key=computation.key, not_yet=True)
        return [refused] if computation.key == "revenue" else []

    monkeypatch.setattr(PolarsEngine, "refusals", refusals)
    specs = specs_of(project_folder)

    assert specs["revenue"].kinds == {"trait", "not_yet"}
    assert "joins of orders: not yet" in (specs["revenue"].description or "")
    assert "event('Order Completed')" in specs["revenue"].metadata["definition"].value
    # What uses it can't be computed either.
    assert specs["big_buyers"].kinds == {"audience", "not_yet"}
    assert specs["buyers"].kinds == {"audience"}


def test_disabled_computations_cannot_be_materialised(make_project: Callable[[dict[str, str]], Path]) -> None:
    project = Project.load(
        make_project(
            {
                "all.yml": "traits:\n"
                "  - {key: paused, enabled: false, definition: event('X').count()}\n"
                "  - {key: live, definition: event('X').count()}\n"
            }
        )
    )

    assert [spec.key.path[-1] for spec in enabled_specs(project)] == ["live"]
    assert [(spec.key.path[-1], spec.kinds) for spec in disabled_specs(project)] == [("paused", {"trait", "disabled"})]
    repository = build(project).get_repository_def()
    assert repository.asset_graph.materializable_asset_keys == {dg.AssetKey(["audiences", "live"])}


def test_a_project_without_definitions_loads(make_project: Callable[[dict[str, str]], Path]) -> None:
    dg.Definitions.validate_loadable(build(Project.load(make_project({}))))


def test_settings_dagster_would_refuse_do_not_stop_the_location(
    make_project: Callable[[dict[str, str]], Path],
) -> None:
    folder = make_project(
        {
            "a folder (of 2)/café/all.yml": "traits:\n"
            f"  - {{key: odd, tags: ['{'long ' * 40}', '???', 'a/b:c'], definition: event('X').count()}}\n"
        }
    )
    specs = specs_of(folder)

    assert specs["odd"].group_name == "a_folder_of_2/caf"
    dg.Definitions.validate_loadable(build(Project.load(folder)))
