"""A repository of many flows: who is asked how often, and what a change is a change of.

Of twenty here; of a hundred, with what grows from the one to the other, in tests/fuzz/test_many_flows.py.
"""

from __future__ import annotations

import pytest

from flowyard.load import load
from flowyard.plan import Action
from flowyard.planning.desired import want
from flowyard.planning.filters import calls_by_flow
from tests.many_flows import TARGETS, calls_of, flow_name, names, users_of
from tests.many_sites import assert_a_handful_is_asked, changed, few, shipped
from tests.support import target_of, write_files
from tests.yard_site import Site

FEW = few(20)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The repository, shipped. A test that changes it puts it back."""
    return shipped(tmp_path_factory.mktemp("many") / "20", FEW)


def test_with_nothing_to_do_a_handful_is_asked(site: Site) -> None:
    assert_a_handful_is_asked(site)


def test_a_shared_folder_is_changed_for_exactly_its_users(site: Site) -> None:
    part = users_of(FEW, "common/part_3")
    assert len(part) == 4
    assert changed(site, "common/part_3/rules.py", "PART = 0\n") == sorted(part)


def test_a_flow_s_own_file_is_changed_for_it_and_pins_for_its_caller(site: Site) -> None:
    assert changed(site, "flows/flow_012/query.sql", "select 0\n") == ["flow_012"]
    before = (site.root / "flows/flow_008/flow.py").read_text()
    write_files(site.root, {"flows/flow_008/flow.py": f"{before}# edited\n"})
    try:
        actions = {name: one for name, one in site.actions().items() if one is not Action.UNCHANGED}
    finally:
        write_files(site.root, {"flows/flow_008/flow.py": before})
    assert actions == {"flow_008": Action.BUILD, "flow_009": Action.REGISTER}


def test_a_template_and_a_base_are_changed_for_exactly_their_users(site: Site) -> None:
    end = (site.root / "images/partials/end.j2").read_text()
    assert changed(site, "images/partials/end.j2", f"{end}\n# edited\n") == sorted(names(FEW))
    assert changed(site, "images/partials/system-packages.j2", "# nobody has any\n") == []
    bases = (site.root / "images/bases.lock").read_text()
    other = f"@sha256:{'c' * 64}"
    lines = bases.splitlines(keepends=True)
    of_312 = "".join(line.replace(f"@sha256:{'b' * 64}", other) if "3.12" in line else line for line in lines)
    of_313 = "".join(line.replace(f"@sha256:{'b' * 64}", other) if "3.13" in line else line for line in lines)
    assert changed(site, "images/bases.lock", of_312) == []
    assert changed(site, "images/bases.lock", of_313) == sorted(names(FEW))


def test_each_target_has_the_same_flows(site: Site) -> None:
    project = load(site.root)
    assert tuple(sorted(project.targets)) == tuple(sorted(TARGETS))
    keys = [{want(project, flow, one).key for flow in project.flows} for one in project.targets.values()]
    assert keys[0] == keys[1] == keys[2]
    found = calls_by_flow(project, target_of(project))
    assert found == {flow_name(one): tuple(sorted(calls_of(one))) for one in range(FEW.flows)}
