"""XMP metadata of JPEG files, standard and extended (Adobe XMP specification, part 3, 2020).

One APP1 segment holds 64 kB at most. What does not fit goes to a second XMP document, the extended
one, cut into as many segments as it takes; the standard document names it by its MD5 digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from . import jpeg as jpeg_file

_STANDARD = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
_NOTE_NAMESPACE = "http://ns.adobe.com/xmp/note/"

_GUID_BYTES = 32
# Header of an extended part: GUID, length of the whole document, place of this part in it.
_PART_HEADER_BYTES = _GUID_BYTES + 4 + 4
_MAX_PART_BYTES = jpeg_file.MAX_PAYLOAD_BYTES - len(_EXTENDED) - _PART_HEADER_BYTES


def read_xmp(jpeg: bytes) -> list[ElementTree.Element]:
    """The XMP documents of a JPEG file: none, the standard one, or that and the extended one.

    Raises:
        ValueError: the XMP is not well-formed, declares entities, or parts of it are missing.
    """
    standard, parts = None, []
    for segment in jpeg_file.segments(jpeg):
        if segment.payload.startswith(_STANDARD):
            standard = standard or segment.payload[len(_STANDARD) :]
        elif segment.payload.startswith(_EXTENDED):
            parts.append(segment.payload[len(_EXTENDED) :])
    if standard is None:
        return []
    document = _parse(standard)
    note = next(structures([document], _NOTE_NAMESPACE), {})
    if guid := note.get("HasExtendedXMP"):
        return [document, _parse(_joined(parts, guid.encode("ascii", "replace")))]
    return [document]


def structures(documents: list[ElementTree.Element], namespace: str) -> Iterator[dict[str, str]]:
    """Groups of properties of one namespace, in document order.

    XMP writes a property either as an attribute or as a child element with text. All those of one
    parent make a group: `{"Near": "0.5", "Far": "8"}`.
    """
    for document in documents:
        for element in document.iter():
            found = dict(_attributes(element, namespace))
            for child in element:
                name = _local_name(child.tag, namespace)
                if name and len(child) == 0 and child.text:
                    found[name] = child.text.strip()
            if found:
                yield found


def with_xmp(
    jpeg: bytes, prefix: str, namespace: str, properties: Mapping[str, str], large: tuple[str, str]
) -> bytes:
    """A JPEG file with new XMP in place of what XMP it had.

    Args:
        jpeg: the file.
        prefix, namespace: of all the properties.
        properties: few and short: they go to the standard document.
        large: name and value of one property that may be of any length.
    """
    everything = _packet(_document(prefix, namespace, dict([*properties.items(), large])))
    if len(everything) <= jpeg_file.MAX_PAYLOAD_BYTES:
        added = jpeg_file.app1(everything)
    else:
        extended = _document(prefix, namespace, dict([large]))
        guid = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
        standard = _packet(_document(prefix, namespace, properties, extended_guid=guid))
        added = jpeg_file.app1(standard) + _split(extended, guid)
    return jpeg_file.with_metadata(jpeg, added, replaces=_is_xmp)


def _is_xmp(segment: jpeg_file.Segment) -> bool:
    return segment.payload.startswith((_STANDARD, _EXTENDED))


class _Builder(ElementTree.TreeBuilder):
    """Builds elements but accepts no document type: without one there are no entities to expand."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("XMP with a document type declaration")


def _parse(packet: bytes) -> ElementTree.Element:
    parser = ElementTree.XMLParser(target=_Builder())
    try:
        return ElementTree.fromstring(packet.strip(b"\0 \t\r\n"), parser)
    except ElementTree.ParseError as error:
        raise ValueError(f"XMP that is not well-formed: {error}") from error


def _joined(parts: list[bytes], guid: bytes) -> bytes:
    """The extended document from its parts, which may come in any order."""
    placed = {}
    total = 0
    for part in parts:
        if part.startswith(guid) and len(guid) == _GUID_BYTES:
            total = int.from_bytes(part[_GUID_BYTES : _GUID_BYTES + 4], "big")
            place = int.from_bytes(part[_GUID_BYTES + 4 : _PART_HEADER_BYTES], "big")
            placed[place] = part[_PART_HEADER_BYTES:]
    document = bytearray()
    for place in sorted(placed):
        if place != len(document):
            break
        document += placed[place]
    if not document or len(document) != total:
        raise ValueError(f"extended XMP with only {len(document)} of its {total} bytes")
    return bytes(document)


def _split(document: bytes, guid: str) -> bytes:
    header = _EXTENDED + guid.encode("ascii") + len(document).to_bytes(4, "big")
    parts = []
    for place in range(0, len(document), _MAX_PART_BYTES):
        part = document[place : place + _MAX_PART_BYTES]
        parts.append(jpeg_file.app1(header + place.to_bytes(4, "big") + part))
    return b"".join(parts)


def _packet(document: bytes) -> bytes:
    begin = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'.encode()
    return _STANDARD + begin + document + b'<?xpacket end="w"?>'


def _document(
    prefix: str, namespace: str, properties: Mapping[str, str], extended_guid: str | None = None
) -> bytes:
    attributes = [f"xmlns:{prefix}={quoteattr(namespace)}"]
    attributes += [f"{prefix}:{name}={quoteattr(value)}" for name, value in properties.items()]
    if extended_guid is not None:
        attributes += [f'xmlns:xmpNote="{_NOTE_NAMESPACE}"']
        attributes += [f'xmpNote:HasExtendedXMP="{extended_guid}"']
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {" ".join(attributes)}/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def _attributes(element: ElementTree.Element, namespace: str) -> Iterator[tuple[str, str]]:
    for key, value in element.attrib.items():
        if name := _local_name(key, namespace):
            yield name, value.strip()


def _local_name(key: str, namespace: str) -> str | None:
    """The name behind the namespace, as in "{namespace}name"; None if the namespace is another."""
    found, _, name = key.rpartition("}")
    # Some writers leave out the final slash.
    return name if found.lstrip("{").rstrip("/") == namespace.rstrip("/") else None
