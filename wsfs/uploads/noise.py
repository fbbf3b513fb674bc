"""Which names are never uploaded, never made, or wait: judged by the name alone.

The names are those that programs were seen to use for their temporary files and locks, and those that
operating systems and file managers strew about. A noise name works in every way on the drive and lives in
the spool alone; what counts is the name once a file is still, so a temporary file that is renamed to a real
name is an upload like any other.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

_RANDOM = r"(?=[a-z]*[A-Z0-9_])[A-Za-z0-9_]{6}"
"""Six characters as mkstemp makes them; those that are a plain word ("sedentary", "notes.outline") aren't."""

_TEMPORARY = re.compile(
    rf"""
      \.goutputstream-[A-Za-z0-9]{{6}}       # GIO: gedit, and Replace in every file manager
    | \.[^/]+\.{_RANDOM}                     # rsync: .NAME.XXXXXX
    | lu[0-9a-z]{{4,}}\.tmp                  # LibreOffice
    | sed{_RANDOM}                           # sed -i
    | XX{_RANDOM}                            # perl -pi
    | zi{_RANDOM}                            # zip
    | Cu{_RANDOM}                            # ln -sf
    | .+\.o{_RANDOM}                         # patch
    | .+\.part | .+\.crdownload              # Firefox, Chromium
    | .+\.partial | .+\.opdownload | .+\.aria2
    | \.org\.chromium\.Chromium\.[A-Za-z0-9]{{6}}
    | \.com\.google\.Chrome\.[A-Za-z0-9]{{6}}
    | tmp_obj_.+                             # git
    | tmp(?=[a-z]*[0-9_])[a-z0-9_]{{8}}      # Python's tempfile
    | tmp\.[A-Za-z0-9]{{10}}                 # mktemp
    | .+\.~qpdf-temp\#                       # qpdf --replace-input
    | .+\.(?i:tmp)                           # Microsoft Office: ~WRD0001.tmp, 5F2B1A00.tmp
    | ~WR[A-Z][0-9]{{4}}\.wbk                # its automatic saves
    | .+\.trashinfo(\.[A-Za-z0-9]{{6}})?
    """,
    re.VERBOSE,
)
_BACKUP = re.compile(r".+~ | .+\.bak | .+\.save(\.[0-9]+)? | .+\.~qpdf-orig", re.VERBOSE)
_LOCK = re.compile(
    r"""
      \.~lock\..+\#                         # LibreOffice
    | \.(.*\.)?sw[a-px]x?                   # vim, nano: .NAME.swp, .swo, .swx, .swpx
    | ~\$.+                                 # Microsoft Office
    | .+\.lock                              # git, and many more
    | \.\#.+                                # Emacs
    """,
    re.VERBOSE,
)
_KEPT_LOCKS = frozenset(
    f"{name}.lock"
    for name in (
        *("bun", "cargo", "composer", "conan", "deno", "flake", "gemfile", "mix", "packages"),
        *("pdm", "pipfile", "pixi", "podfile", "poetry", "pubspec", "uv", "yarn"),
    )
)
"""Documents whose names only look like locks: what package managers write down."""

_LITTER = frozenset(
    {
        ".ds_store",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "4913",  # vim asks with it whether it may write here
        "5036",
        ".directory",
        ".hidden",
        "autorun.inf",
        ".localized",
        ".fseventsd",
        ".spotlight-v100",
        ".temporaryitems",
        ".apdisk",
        "__macosx",
        "icon\r",
        ".git",  # the file of that name in a further work tree; the directory can't be made at all
    }
)
_LITTER_PREFIXES = ("._", ".nfs", ".fuse_hidden", ".smbdelete")

_REFUSED_DIRECTORY = re.compile(
    r"\.Trash | \.Trash-[0-9]+ | \.Trashes | .*\.git | \.hg | \.svn | \.bzr | \.jj", re.VERBOSE
)

_PLACEHOLDERS = (
    "untitled folder",
    "untitled directory",
    "new folder",
    "new directory",
    "нова папка",
    "нова тека",
    "без назви",
    "тека без назви",
    "папка без назви",
    "новая папка",
    "неназванная папка",
    "безымянная папка",
    "папка без названия",
    "новы каталог",
    "новая тэчка",
    "neuer ordner",
    "unbenannter ordner",
    "nouveau dossier",
    "dossier sans nom",
    "dossier sans titre",
    "nueva carpeta",
    "carpeta sin título",
    "carpeta sin nombre",
    "nowy folder",
    "nowy katalog",
    "katalog bez nazwy",
    "nuova cartella",
    "cartella senza nome",
    "cartella senza titolo",
    "nova pasta",
    "pasta sem nome",
    "pasta sem título",
    "nieuwe map",
    "naamloze map",
    "nová složka",
    "nepojmenovaná složka",
    "složka bez názvu",
    "nový priečinok",
    "nepomenovaný priečinok",
    "új mappa",
    "névtelen mappa",
    "folder nou",
    "dosar nou",
    "dosar fără nume",
    "nova mapa",
    "neimenovana mapa",
    "ny mapp",
    "namnlös mapp",
    "ny mappe",
    "unavngivet mappe",
    "mappe uten navn",
    "uusi kansio",
    "nimetön kansio",
    "uus kaust",
    "jauna mape",
    "naujas aplankas",
    "yeni klasör",
    "adsız klasör",
    "isimsiz klasör",
    "папка без име",
    "新建文件夹",
    "新增資料夾",
    "未命名文件夹",
    "无标题文件夹",
    "新しいフォルダー",
    "新規フォルダ",
    "名称未設定フォルダ",
    "새 폴더",
    "제목 없는 폴더",
)
_PLACEHOLDER = re.compile(
    r"(?:" + "|".join(re.escape(name) for name in dict.fromkeys(_PLACEHOLDERS)) + r")"
    r"(?:\s*\(?\s*[0-9]+\s*\)?|\s*\((?:copy|another copy|[0-9]+(?:st|nd|rd|th) copy|копія|копия)\))?",
    re.IGNORECASE,
)

_NEVER_ON_SERVER = re.compile(
    r"""
      \.hidden | \.directory | \.sh_thumbnails | autorun\.inf | desktop\.ini | Desktop\.ini | AUTORUN\.INF
    | Thumbs\.db | ehthumbs\.db | \.DS_Store | \.localized | \.xdg-volume-info | \.wsfs-.*
    | \.fseventsd | \.Spotlight-V100 | \.TemporaryItems | \.apdisk | \.metadata_never_index
    | \.nomedia | \.trackerignore            # indexers
    | \.Trash | \.Trash-[0-9]+ | \.Trashes | \.git | \.hg | \.svn | \.bzr | \.jj | \._.*
    | \.~lock\..+\# | \..*\.sw[a-px]x? | \.goutputstream-[A-Za-z0-9]{6} | \.nfs[0-9a-f]+ | \.fuse_hidden.*
    """,
    re.VERBOSE,
)


class _Kind(NamedTuple):
    temporary: bool
    lock: bool
    noise: bool


@functools.lru_cache(maxsize=1 << 15)
def _kind(name: str) -> _Kind:
    """What a file's name tells. Each name that waits is asked about at every look: with the answers at hand a look at
    20,000 takes half the time."""
    folded = name.lower()
    temporary = bool(_TEMPORARY.fullmatch(name))
    lock = bool(_LOCK.fullmatch(name)) and folded not in _KEPT_LOCKS
    litter = folded in _LITTER or folded.startswith(_LITTER_PREFIXES)
    return _Kind(temporary, lock, temporary or lock or litter or bool(_BACKUP.fullmatch(name)))


def is_temporary(name: str) -> bool:
    """Whether a program that is still at work, or was, makes such a name: a download, a save under way."""
    return _kind(name).temporary


def may_be_rsyncs(name: str) -> bool:
    """Whether rsync may have made such a name for a file under way, .NAME.XXXXXX, though it be all small letters."""
    return bool(re.fullmatch(r"\..+\.[A-Za-z0-9]{6}", name))


def is_lock(name: str) -> bool:
    """Whether an editor or tool marks with such a name that it is at work on another."""
    return _kind(name).lock


def is_noise(name: str) -> bool:
    """Whether a file of this name lives in the spool alone: temporary, lock, backup or litter."""
    return _kind(name).noise


def is_noise_directory(name: str) -> bool:
    """Whether a directory of this name, and all in it, lives in the spool alone.

    Fewer names than for files: a task may well be called `Backup.save` or `DEADBEEF`.
    """
    folded = name.lower()
    return folded in _LITTER or folded.startswith(_LITTER_PREFIXES) or folded in {".~tmp~", ".rsync-partial"}


def is_refused_directory(name: str) -> bool:
    """Whether mkdir of this name is refused, so that a file manager offers to delete for good instead."""
    return bool(_REFUSED_DIRECTORY.fullmatch(name))


def is_placeholder_directory(name: str) -> bool:
    """Whether a file manager gave this name and its user has yet to type the real one."""
    return bool(_PLACEHOLDER.fullmatch(name.strip()))


def never_on_server(name: str) -> bool:
    """Whether a lookup needs no request: programs ask for this name, and nobody attaches such a thing."""
    return bool(_NEVER_ON_SERVER.fullmatch(name))


def lock_matcher(lock: str) -> Callable[[str], bool] | None:
    """A test for the names that an editor's lock of name `lock` holds back; None where it is no such lock.

    `.~lock.NAME#` is LibreOffice's, `.NAME.swp` vim's and nano's, `~$NAME` Microsoft Office's, which for a
    long name leaves out the first two characters.
    """
    if not is_lock(lock):
        return None
    if lock.startswith(".~lock.") and lock.endswith("#"):
        held = lock[len(".~lock.") : -1]
        return lambda name: name == held
    if lock.startswith("~$") and len(lock) > 2:
        rest = lock[2:]
        return lambda name: name == rest or name[2:] == rest
    match = re.fullmatch(r"\.(.+)\.sw[a-p]", lock)
    if match:
        swapped = match[1]
        return lambda name: name in {swapped, f".{swapped}"}
    return None
