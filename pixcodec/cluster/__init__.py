"""Many images, in any store, encoded by the workers of a Dask cluster."""

from pixcodec.cluster.manifest import Item, manifest_of, read_manifest, write_manifest
from pixcodec.cluster.run import Summary, encode_all
from pixcodec.cluster.work import ClusterSettings

__all__ = [
    "ClusterSettings",
    "Item",
    "Summary",
    "encode_all",
    "manifest_of",
    "read_manifest",
    "write_manifest",
]
