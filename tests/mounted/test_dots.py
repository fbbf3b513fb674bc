"""A listing's own `.` and `..`, which the kernel is told little of."""

from __future__ import annotations

from tests.mounted.drives import Mount, run


def test_listing_a_directory_leaves_its_attributes_as_they_are(demo_mount: Mount) -> None:
    project = next(place for place in sorted(demo_mount.place.iterdir()) if place.is_dir())
    task = next(place for place in sorted(project.iterdir()) if place.is_dir())
    run("ls", task)
    before = [place.stat() for place in (task, project, demo_mount.place)]
    lines = run("ls", "-lain", task).lines[1:]
    own = {line.split()[-1]: line.split() for line in lines if line.split()[-1] in (".", "..")}
    assert [int(own[name][0]) for name in (".", "..")] == [before[0].st_ino, before[1].st_ino]
    assert own["."][1] == "drwxr-xr-x"
    for place, status in zip((task, project, demo_mount.place), before, strict=True):
        assert place.stat() == status
    with_dots = run("find", task / ".", "-maxdepth", "0", "-printf", "%i %T@").out
    assert with_dots.split()[0] == str(before[0].st_ino)
    assert float(with_dots.split()[1]) == before[0].st_mtime
