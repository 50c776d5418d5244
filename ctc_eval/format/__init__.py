"""The challenge's on-disk format, which judge and method share: names, reading, writing.

What other rooms use is imported from here. None of it loads numpy or tifffile before it reads or
writes an image.
"""

from ctc_eval.format.errors import Fault, InputError, tell_system
from ctc_eval.format.labels import (
    LabelImage,
    core_count,
    is_all_but_empty,
    label_faults,
    open_labels,
    tell_empty,
)
from ctc_eval.format.names import (
    frame_digits,
    frame_files,
    frame_name,
    frames_beyond,
    frames_shared,
    frames_text,
    is_inside,
    parse_frames,
)
from ctc_eval.format.record import RECORD, MaskRecord, ScoreRecord, fingerprint, read_record
from ctc_eval.format.reference import (
    Reference,
    ReferenceImage,
    annotations_in,
    find_reference,
    has_markers,
)
from ctc_eval.format.tracks import (
    Track,
    and_more,
    image_faults,
    lineage_faults,
    read_tracks,
    trim_tracks,
)
from ctc_eval.format.volumes import (
    MAX_LABEL,
    check_frames,
    read_volume,
    volume_shape,
    write_labels,
    write_volume,
)
from ctc_eval.format.writing import atomic, check_writable, leftovers, remove_leftovers

__all__ = [
    "MAX_LABEL",
    "RECORD",
    "Fault",
    "InputError",
    "LabelImage",
    "MaskRecord",
    "Reference",
    "ReferenceImage",
    "ScoreRecord",
    "Track",
    "and_more",
    "annotations_in",
    "atomic",
    "check_frames",
    "check_writable",
    "core_count",
    "find_reference",
    "fingerprint",
    "frame_digits",
    "frame_files",
    "frame_name",
    "frames_beyond",
    "frames_shared",
    "frames_text",
    "has_markers",
    "image_faults",
    "is_all_but_empty",
    "is_inside",
    "label_faults",
    "leftovers",
    "lineage_faults",
    "open_labels",
    "parse_frames",
    "read_record",
    "read_tracks",
    "read_volume",
    "remove_leftovers",
    "tell_empty",
    "tell_system",
    "trim_tracks",
    "volume_shape",
    "write_labels",
    "write_volume",
]
