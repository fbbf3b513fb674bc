from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import leave_out
from wsfs.desktop import thunar
from wsfs.desktop.home import Home
from wsfs.desktop.menu import ITEMS
from wsfs.desktop.thunar import Unmergeable

OWN = """<?xml version="1.0" encoding="UTF-8"?>
<!-- mine -->
<actions>
<action>
\t<icon>utilities-terminal</icon>
\t<name>Open &amp; Terminal</name>
\t<unique-id>1700000000000000-1</unique-id>
\t<command>exo-open --working-directory %f</command>
\t<patterns>*</patterns>
\t<directories/>
</action>   <!-- between -->
<action><name>wsfs-</name><unique-id>mine-wsfs-open</unique-id><command>x</command></action>
</actions>
"""
COMMAND = ["/opt/100% mine/wsfs"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.of({"HOME": str(tmp_path)})


def actions(text: str) -> list[str | None]:
    return [one.findtext("unique-id") for one in ElementTree.fromstring(text.encode())]


def test_ours_come_after_the_person_s_own_which_stay_byte_for_byte() -> None:
    merged = thunar.merged(OWN, COMMAND)
    assert merged.startswith(OWN.removesuffix("</actions>\n"))
    assert merged.endswith("</actions>\n")
    assert actions(merged) == [
        "1700000000000000-1",
        "mine-wsfs-open",
        *(f"wsfs-{item.action}" for item in ITEMS),
    ]
    first = ElementTree.fromstring(merged.encode())[2]
    assert first.findtext("command") == "'/opt/100%% mine/wsfs' desktop run open -- %F"
    assert first.findtext("submenu") == "Worksection"


def test_again_it_changes_nothing_and_taken_away_it_leaves_what_was() -> None:
    merged = thunar.merged(OWN, COMMAND)
    assert thunar.merged(merged, COMMAND) == merged
    assert thunar.without(merged) == OWN
    assert thunar.without(OWN) == OWN


def test_another_command_takes_the_place_of_the_earlier() -> None:
    assert thunar.merged(thunar.merged(OWN, ["old"]), COMMAND) == thunar.merged(OWN, COMMAND)


def test_thunar_may_have_written_the_file_anew() -> None:
    """It writes the actions in its own way: attributes, other white space, an action to a line."""
    merged = thunar.merged(OWN, COMMAND).replace("\n\t", "").replace("<unique-id>", "<unique-id>\n ")
    left = thunar.without(merged)
    assert [(one or "").strip() for one in actions(left)] == ["1700000000000000-1", "mine-wsfs-open"]


@pytest.mark.parametrize(
    "text",
    [
        "no xml",
        "<actions><action></actions>",
        "<other></other>",
        "<actions/>",
        '<?xml version="1.0"?><actions></actions><!-- </actions> -->',
    ],
)
def test_what_is_not_understood_is_left_alone(text: str, home: Home) -> None:
    with pytest.raises(Unmergeable):
        thunar.merged(text, COMMAND)
    path = thunar.actions_file(home)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(Unmergeable):
        thunar.install(home, COMMAND)
    assert path.read_text() == text


def test_a_new_file_begins_as_the_system_s_and_goes_again(home: Home, tmp_path: Path) -> None:
    system = tmp_path / "uca.xml"
    system.write_text(OWN)
    assert thunar.install(home, COMMAND, system=system)
    assert not thunar.install(home, COMMAND, system=system)
    assert actions(thunar.actions_file(home).read_text())[:2] == ["1700000000000000-1", "mine-wsfs-open"]
    assert thunar.uninstall(home, system=system)
    assert not thunar.actions_file(home).exists()
    assert not thunar.uninstall(home, system=system)


def test_without_a_system_s_file_too(home: Home, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert thunar.install(home, COMMAND, system=nothing)
    assert len(actions(thunar.actions_file(home).read_text())) == len(ITEMS)
    assert thunar.uninstall(home, system=nothing)
    assert not thunar.actions_file(home).exists()


def test_a_person_s_file_stays_his(home: Home) -> None:
    path = thunar.actions_file(home)
    path.parent.mkdir(parents=True)
    path.write_text(OWN)
    path.chmod(0o600)
    assert thunar.install(home, COMMAND)
    assert path.stat().st_mode & 0o777 == 0o600
    assert thunar.uninstall(home)
    assert path.read_text() == OWN


def test_thunar_s_own_file_can_be_merged() -> None:
    leave_out(None if thunar.SYSTEM_FILE.exists() else "Thunar isn't installed")
    text = thunar.SYSTEM_FILE.read_text(encoding="utf-8")
    assert thunar.without(thunar.merged(text, COMMAND)) == text
