# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The layers of a backup (full and incremental), their places, and the chain that leads to the chosen time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Optional

from ..._errors import ConfigurationError, CorruptBackupError, MigrationError
from ..._formats import protobuf, timestamps
from ..._formats.timestamps import ZERO, Timestamp
from ..location import has_parameters
from ..storage.listed_once import ListedOnce
from ..storage.opening import open_storage
from ..storage.options import StorageOptions
from ..storage.storage import Storage
from . import backup_manifest as manifests
from .backup_manifest import Manifest, ManifestFile
from .encryption import INFO, passphrase_keys, unlocks
from .read_ahead import in_parallel

LATEST = "LATEST"
LATEST_FOLDER = "metadata/latest"
INCREMENTALS = "incrementals"
PARTITION = "BACKUP_PART_"
REVISION_LOG = "log/"
"""Continuous backup's own format, which is not read (CockroachDB's pkg/revlog/revlog-format.md)."""

_FULL = re.compile(r"\d{4}/\d{2}/\d{2}-\d{6}\.\d{2}")
_YEAR, _MONTH, _DAY = (re.compile(pattern) for pattern in (r"\d{4}/", r"\d{2}/", r"[^/]+/?"))
_DATE = re.compile(r"\d+/")
_TIME = re.compile(r"\d+\.\d{2}(-\d+-\d+\.\d{2})?/")
_SHOWN = 10


class Folder(NamedTuple):
    """A folder of a storage, by its path in it, and the name of the manifest there; empty when there is none."""

    storage: Storage
    path: str
    manifest: str


@dataclass
class Layer:
    """One manifest with where its files are. ``partitions`` map a locality to the storage that holds its files."""

    storage: Storage
    folder: str
    manifest: Manifest
    key: Optional[bytes] = field(default=None, repr=False)
    partitions: dict[str, Storage] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.storage.describe(self.folder)

    def place(self, file: ManifestFile) -> tuple[Storage, str]:
        """Return the storage and path of a data file. Raises ConfigurationError when its location was not given."""
        path = f"{self.folder}/{file.path}" if self.folder else file.path
        if file.locality in ("", "default"):
            return self.storage, path
        if file.locality not in self.partitions:
            raise ConfigurationError(
                f"{self.name}: the files of locality {file.locality} are in another location, which was not given or "
                "has no "
                f"{PARTITION}… file of this backup: add it to the backup's locations"
            )
        return self.partitions[file.locality], path


def find_layers(locations: tuple[str, ...], subdirectory: str, options: StorageOptions, passphrase: str) -> list[Layer]:
    """Return all layers of one full backup, sorted by time. Raises MigrationError."""
    if not locations:
        raise ConfigurationError("the backup's location is not set")
    locations, subdirectory = _collection(locations, subdirectory)
    storages: list[Storage] = [ListedOnce(open_storage(location, options)) for location in locations]
    full, incremental = _folders(storages, subdirectory)
    keys: list[bytes] = []
    for folder in full:
        keys = keys or passphrase_keys(folder.storage, folder.path, passphrase)
    layers = in_parallel(lambda folder: _read_layer(folder, keys, storages), [*full, *incremental])
    layers.sort(key=lambda layer: (layer.manifest.end_time, layer.manifest.start_time))
    _check_same_cluster(layers)
    return layers


def _read_layer(folder: Folder, keys: list[bytes], storages: list[Storage]) -> Layer:
    storage, path, name = folder
    key = _unlocking_key(storage, path, name, keys)
    layer = Layer(storage, path, manifests.read_manifest(storage, path, name, key), key)
    _find_partitions(layer, storages)
    return layer


def _collection(locations: tuple[str, ...], subdirectory: str) -> tuple[tuple[str, ...], str]:
    """Split a location that is a full backup's folder in a collection into collection and sub-directory, as its
    incremental layers may be next to it."""
    place, mark, parameters = locations[0].partition("?") if has_parameters(locations[0]) else (locations[0], "", "")
    match = re.fullmatch(f"(.*)/({_FULL.pattern})/?", place)
    if len(locations) == 1 and match and subdirectory in ("", LATEST):
        return (f"{match[1]}{mark}{parameters}",), match[2]
    return locations, subdirectory


def _folders(storages: list[Storage], subdirectory: str) -> tuple[list[Folder], list[Folder]]:
    """Return the folders of the full backup and those of its incremental layers."""
    if subdirectory in ("", LATEST):
        _list_ahead(storages, "", LATEST_FOLDER)
        direct = _with_manifests((storage, "") for storage in storages)
        if direct:
            return _folders_without_collection(storages, direct)
    full = "" if subdirectory == LATEST else subdirectory.strip("/")
    if ".." in full.split("/"):
        raise ConfigurationError(f"subdirectory {subdirectory!r} leads out of the backup's location")
    if not full:
        full = next(filter(None, map(_latest, storages)), "")
    return _folders_of_collection(storages, full)


def _folders_without_collection(storages: list[Storage], direct: list[Folder]) -> tuple[list[Folder], list[Folder]]:
    """Return the folders of a backup whose manifest lies in the location itself."""
    homes = [folder.storage for folder in direct]
    for storage in storages:
        if storage not in homes and not _has_partition(storage, ""):
            raise _no_backup(storage, "")
    return direct, [found for storage in homes for found in _incrementals(storage, "")]


def _folders_of_collection(storages: list[Storage], full: str) -> tuple[list[Folder], list[Folder]]:
    """Return the folders of the backup in the sub-directory ``full``."""
    _list_ahead(storages, full, f"{INCREMENTALS}/{full}")
    folders = _with_manifests((storage, full) for storage in storages) if full else []
    if not folders:
        raise _no_backup(storages[0], full)
    homes = [folder.storage for folder in folders]
    incremental = []
    for storage in storages:
        found = _incrementals(storage, full) + _incrementals(storage, f"{INCREMENTALS}/{full}")
        if not found and storage not in homes and not _has_partition(storage, full):
            raise ConfigurationError(
                f"{storage.location} holds nothing of the backup {full} in {homes[0].location}: check the backup's "
                "locations"
            )
        incremental += found
    return folders, incremental


def _list_ahead(storages: list[Storage], *folders: str) -> None:
    """List folders that will be looked into, side by side; ``ListedOnce`` keeps what is found."""
    places = [(storage, folder) for storage in storages if storage.can_list for folder in folders]
    in_parallel(lambda place: place[0].list(place[1]), places)


def _with_manifests(places: Iterable[tuple[Storage, str]]) -> list[Folder]:
    """Return those of several folders that have a manifest."""
    found = in_parallel(lambda place: Folder(*place, _manifest_name(*place)), list(places))
    return [folder for folder in found if folder.manifest]


def _manifest_name(storage: Storage, folder: str) -> str:
    return storage.first_of(folder, manifests.NAMES)


def _latest(storage: Storage) -> str:
    """Return the sub-directory of the newest full backup of a collection, or nothing."""
    if storage.can_list:
        names = storage.list(LATEST_FOLDER)
    else:
        # BACKUP writes it without a number where it cannot list (findLatestFile in pkg/ccl/backupccl/backupdest).
        names = [LATEST] if storage.exists(f"{LATEST_FOLDER}/{LATEST}") else []
    newest = min((name for name in names if name.startswith("LATEST-") and name != "LATEST-"), default="")
    for path in (
        f"{LATEST_FOLDER}/{newest}" if newest else "",
        f"{LATEST_FOLDER}/{LATEST}" if LATEST in names else "",
        LATEST,
    ):
        if path and (path != LATEST or storage.exists(path)):
            return storage.read_twice_if_damaged(path, partial(_named_by, storage, path))
    return max(full_backups(storage), default="") if storage.can_list else ""


def _named_by(storage: Storage, path: str) -> str:
    """Return the sub-directory that a LATEST file names. Raises CorruptBackupError if there is no backup."""
    target = storage.read(path).decode("utf-8", "replace").strip().strip("/")
    if not target or ".." in target.split("/") or not target.isprintable() or not _manifest_name(storage, target):
        raise CorruptBackupError(
            f"{storage.describe(path)} names {target!r}, where there is no backup (looked for "
            f"{', '.join(manifests.NAMES)}): set backup_subdirectory to one of: {_listed(storage)}"
        )
    return target


def full_backups(storage: Storage) -> list[str]:
    """Return the sub-directories of all full backups in a collection, the oldest first."""
    months = _folders_below(storage, _folders_below(storage, [""], _YEAR), _MONTH)
    days = [path.rstrip("/") for path in _folders_below(storage, months, _DAY)]
    return [folder.path for folder in _with_manifests((storage, path) for path in days if _FULL.fullmatch(path))]


def _folders_below(storage: Storage, parents: Sequence[str], name: re.Pattern[str]) -> list[str]:
    """Return the folders with such a name in all of ``parents``, which end in a slash or are empty."""
    listed = in_parallel(storage.list, parents)
    return [parent + child for parent, children in zip(parents, listed) for child in children if name.fullmatch(child)]


def _listed(storage: Storage) -> str:
    if not storage.can_list:
        return "YYYY/MM/DD-HHMMSS.ff (files cannot be listed over HTTP)"
    found = full_backups(storage)
    return ", ".join(found[-_SHOWN:]) or "none was found"


def _incrementals(storage: Storage, root: str) -> list[Folder]:
    if not storage.can_list:
        return []
    dates = _folders_below(storage, [f"{root}/" if root else ""], _DATE)
    times = _folders_below(storage, dates, _TIME)
    return _with_manifests((storage, path.rstrip("/")) for path in times)


def _no_backup(storage: Storage, folder: str) -> MigrationError:
    looked = ", ".join(manifests.NAMES)
    where = storage.describe(folder)
    if folder:
        return ConfigurationError(
            f"no backup in {where} (looked for {looked}): set backup_subdirectory to one of: {_listed(storage)}"
        )
    names = storage.list() if storage.can_list else []
    partial = any(name.startswith("BACKUP-CHECKPOINT") or name == "data/" for name in names)
    hint = "; what is there belongs to a backup that did not finish" if partial else ""
    return ConfigurationError(
        f"no backup in {where}: looked for {looked}, {LATEST}, {LATEST_FOLDER}/ and YYYY/MM/DD-HHMMSS.ff/{hint}. Check "
        "the location: it is what BACKUP INTO or BACKUP TO was given"
    )


def _unlocking_key(storage: Storage, folder: str, name: str, keys: list[bytes]) -> Optional[bytes]:
    if not keys:
        return None
    path = f"{folder}/{name}" if folder else name
    key = storage.read_twice_if_damaged(path, partial(_key_that_unlocks, storage, path, keys))
    # A wrong passphrase and a damaged manifest look the same where there is no checksum file.
    key = key or _key_that_unlocks(storage, path, keys)
    if key:
        return key
    raise ConfigurationError(
        f"{storage.describe(path)} cannot be decrypted: the backup's passphrase is wrong (or its {INFO} file is "
        "damaged or of another backup)"
    )


def _key_that_unlocks(storage: Storage, path: str, keys: list[bytes]) -> Optional[bytes]:
    """Return the key that opens a manifest, None if no one does. Raises CorruptBackupError if the manifest is
    damaged."""
    file = manifests.read_with_checksum(storage, path)
    for key in keys:
        if unlocks(file.data, key, storage.describe(path)):
            return key
    if file.differs:
        raise CorruptBackupError(
            f"{storage.describe(path)} does not match its checksum file: one of them is damaged, copy both again"
        )
    return None


def _has_partition(storage: Storage, folder: str) -> bool:
    # Where files cannot be listed, the manifest names those that belong to it.
    return not storage.can_list or any(name.startswith(PARTITION) for name in storage.list(folder))


def _find_partitions(layer: Layer, storages: list[Storage]) -> None:
    """Map the localities of a layer to storages by the backup id in their partition descriptors."""
    if not layer.manifest.partitions:
        return
    for storage in storages:
        for name in _partition_names(layer, storage):
            if name.startswith(PARTITION) and not name.endswith(manifests.CHECKSUM):
                path = f"{layer.folder}/{name}" if layer.folder else name
                message = protobuf.parse(manifests.read_container(storage, path, layer.key))
                if protobuf.blob(message, 3) == layer.manifest.backup_id:
                    layer.partitions.setdefault(protobuf.text(message, 1), storage)
                elif len(storages) > 1:
                    raise ConfigurationError(
                        f"{storage.describe(path)} belongs to another backup than {layer.name}: check the backup's "
                        "locations"
                    )


def _partition_names(layer: Layer, storage: Storage) -> list[str]:
    if storage.can_list:
        return storage.list(layer.folder)
    base = f"{layer.folder}/" if layer.folder else ""
    return [name for name in layer.manifest.partitions if storage.exists(base + name)]


def _check_same_cluster(layers: list[Layer]) -> None:
    for layer in layers[1:]:
        if (layer.manifest.cluster_id, layer.manifest.tenant) != (
            layers[0].manifest.cluster_id,
            layers[0].manifest.tenant,
        ):
            raise ConfigurationError(
                f"{layer.name} and {layers[0].name} are of different clusters: give the layers of one backup"
            )


def choose_chain(layers: list[Layer], as_of: str) -> tuple[list[Layer], Timestamp]:
    """Return the layers to read, the oldest first, and the time to which they lead.

    Raises ConfigurationError when that time cannot be had, CorruptBackupError when a layer is missing.
    """
    target = timestamps.parse(as_of) if as_of else layers[-1].manifest.end_time
    last = _last_layer(layers, target)
    if last is None:
        raise ConfigurationError(
            f"as_of {as_of} cannot be had from this backup; it can give {_possible_times(layers)}"
            f"{_other_places(layers, target)}"
        )
    chain = _path(last, layers)
    unused = [layer for layer in layers if layer not in chain and layer.manifest.end_time <= target]
    if unused and not any(layer.manifest.compacted for layer in layers):
        raise ConfigurationError(
            f"{unused[0].name} does not belong to the chain of layers that ends with {last.name}: leave it out"
        )
    modes = {layer.manifest.elided for layer in chain}
    if len(modes) > 1:
        raise CorruptBackupError(
            f"{last.name} and the layers before it write their keys in different ways: they are not one backup"
        )
    return chain, target


def _last_layer(layers: list[Layer], target: Timestamp) -> Optional[Layer]:
    """Return the layer that ends at the time, or has all revisions around it; None if there is none."""
    ends = [layer for layer in layers if layer.manifest.start_time < target <= layer.manifest.end_time]
    exact = [layer for layer in ends if layer.manifest.end_time == target]
    inside = [layer for layer in ends if layer.manifest.all_revisions and target > layer.manifest.revision_start]
    return min(exact or inside, key=lambda layer: layer.manifest.start_time, default=None)


def _other_places(layers: list[Layer], target: Timestamp) -> str:
    """Return where else in a collection a time may be found, as a part of a message."""
    folder, storage = layers[0].folder, layers[0].storage
    if not folder:
        return ""
    if not storage.can_list:
        return ""
    others = [name for name in full_backups(storage) if name != folder]
    hint = f". Other full backups (subdirectory): {', '.join(others[-_SHOWN:])}" if others else ""
    if target > layers[-1].manifest.end_time and REVISION_LOG in storage.list():
        hint += (
            f". Beside them is a folder {REVISION_LOG} (BACKUP … WITH REVISION STREAM), from which CockroachDB can "
            "restore later times: it is not read here; take an incremental backup, or restore that time with "
            "CockroachDB and migrate with migration_source: cluster"
        )
    return hint


def _path(last: Layer, layers: list[Layer]) -> list[Layer]:
    """Return the shortest chain of layers from a full one to ``last``. Raises CorruptBackupError if one is missing."""
    steps: dict[Timestamp, Optional[list[Layer]]] = {ZERO: []}
    for layer in layers:
        start, end = layer.manifest.start_time, layer.manifest.end_time
        before = steps.get(start)
        if before is not None and (steps.get(end) is None or len(before) + 1 < len(steps[end] or ())):
            steps[end] = [*before, layer]
    before = steps.get(last.manifest.start_time)
    if before is not None:
        return [*before, last]
    broken = last
    while True:
        previous = [layer for layer in layers if layer.manifest.end_time == broken.manifest.start_time]
        if not previous:
            break
        broken = previous[0]
    start = broken.manifest.start_time
    earlier = [layer for layer in layers if layer.manifest.end_time < start]
    gap = (
        f"between {timestamps.iso(earlier[-1].manifest.end_time)} (end of {earlier[-1].name}) and"
        if earlier
        else "up to"
    )
    raise CorruptBackupError(
        f"a layer of the backup is missing: {broken.name} continues one that covers the time {gap} "
        f"{timestamps.iso(start)}, and no such "
        f"{'layer' if earlier else 'full backup or layer'} is in the locations given: add it, or copy it again"
    )


def _possible_times(layers: list[Layer]) -> str:
    parts = []
    for layer in layers:
        manifest = layer.manifest
        end = timestamps.iso(manifest.end_time)
        if manifest.all_revisions:
            start = max(manifest.revision_start, manifest.start_time)
            parts.append(f"any time from {timestamps.iso(start)} to {end}")
        else:
            parts.append(f"{end} ({timestamps.decimal(manifest.end_time)})")
    more = f"the last {_SHOWN} of {len(parts)}: " if len(parts) > _SHOWN else ""
    return more + "; ".join(parts[-_SHOWN:])
