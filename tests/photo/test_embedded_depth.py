"""Depth inside JPEG files: GDepth and Dynamic Depth, whole and damaged."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.depth import Depth
from focuspuller.photo import embedded_depth
from focuspuller.photo.embedded_depth import depth_in_jpeg, embed_depth
from PIL import Image

GDEPTH = 'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/"'
DYNAMIC_DEPTH = (
    'xmlns:Device="http://ns.google.com/photos/dd/1.0/device/" '
    'xmlns:Camera="http://ns.google.com/photos/dd/1.0/camera/" '
    'xmlns:DepthMap="http://ns.google.com/photos/dd/1.0/depthmap/" '
    'xmlns:Container="http://ns.google.com/photos/dd/1.0/container/" '
    'xmlns:Item="http://ns.google.com/photos/dd/1.0/item/"'
)
# Values 0, a quarter, a half and one of a PNG with 16 bits, as stored: 0 is near.
CODES = np.array([[0, 16384], [32768, 65535]], np.uint16)
VALUES = CODES / 65535


def png(codes: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(codes).save(buffer, "PNG")
    return buffer.getvalue()


def with_xmp(jpeg: bytes, description: str) -> bytes:
    """A JPEG with this rdf:Description as its XMP."""
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        f'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{description}'
        "</rdf:RDF></x:xmpmeta>"
    )
    return with_segment(jpeg, b"http://ns.adobe.com/xap/1.0/\0" + packet.encode())


def with_segment(jpeg: bytes, payload: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + jpeg[2:]


def with_gdepth(jpeg: bytes, content: bytes | None = None, **properties: str) -> bytes:
    data = base64.b64encode(png(CODES) if content is None else content).decode()
    listed = " ".join(f'GDepth:{name}="{value}"' for name, value in properties.items())
    return with_xmp(jpeg, f'<rdf:Description {GDEPTH} {listed} GDepth:Data="{data}"/>')


class TestGDepth:
    @pytest.mark.parametrize(("units", "metres"), [("m", 1.0), ("mm", 0.001)])
    def test_range_inverse_is_linear_in_disparity(
        self, flat_jpeg: bytes, units: str, metres: float
    ) -> None:
        jpeg = with_gdepth(flat_jpeg, Format="RangeInverse", Near="2", Far="10", Units=units)
        depth = depth_in_jpeg(jpeg)
        assert depth is not None
        assert depth.is_metric
        # The definition: z = f n / (f − v (f − n))
        expected = 10 * 2 / (10 - VALUES * (10 - 2)) * metres
        np.testing.assert_allclose(depth.metres[0, 0], expected, rtol=1e-5)

    def test_range_linear_is_linear_in_distance(self, flat_jpeg: bytes) -> None:
        jpeg = with_gdepth(flat_jpeg, Format="RangeLinear", Near="2", Far="10", Units="m")
        depth = depth_in_jpeg(jpeg)
        assert depth is not None
        np.testing.assert_allclose(depth.metres[0, 0], 2 + VALUES * (10 - 2), rtol=1e-5)

    @pytest.mark.parametrize("units", [{}, {"Units": "None"}, {"Units": "diopters"}])
    def test_without_metric_units_it_is_relative(
        self, flat_jpeg: bytes, units: dict[str, str]
    ) -> None:
        jpeg = with_gdepth(flat_jpeg, Format="RangeInverse", Near="29.3", Far="878.7", **units)
        depth = depth_in_jpeg(jpeg)
        assert depth is not None
        assert not depth.is_metric
        np.testing.assert_allclose(depth.disparity[0, 0], 1 - VALUES, atol=1e-5)

    def test_relative_range_linear_becomes_disparity(self, flat_jpeg: bytes) -> None:
        jpeg = with_gdepth(flat_jpeg, Format="RangeLinear", Near="2", Far="10")
        depth = depth_in_jpeg(jpeg)
        assert depth is not None
        disparity = 1 / (2 + VALUES * (10 - 2))
        expected = (disparity - 1 / 10) / (1 / 2 - 1 / 10)
        np.testing.assert_allclose(depth.disparity[0, 0], expected, atol=1e-5)

    @pytest.mark.parametrize(
        "limits",
        [{}, {"Near": "2"}, {"Near": "far", "Far": "10"}, {"Near": "10", "Far": "2"},
         {"Near": "0", "Far": "2"}, {"Near": "nan", "Far": "2"}, {"Near": "1", "Far": "inf"}],
    )  # fmt: skip
    def test_without_a_sound_range_it_is_relative(
        self, flat_jpeg: bytes, limits: dict[str, str]
    ) -> None:
        depth = depth_in_jpeg(with_gdepth(flat_jpeg, Format="RangeInverse", Units="m", **limits))
        assert depth is not None
        assert not depth.is_metric
        np.testing.assert_allclose(depth.disparity[0, 0], 1 - VALUES, atol=1e-5)

    def test_an_8_bit_jpeg_as_depth_image(
        self, flat_jpeg: bytes, encode: Callable[..., bytes]
    ) -> None:
        content = encode(np.full((16, 16), 51, np.uint8), "JPEG", quality=100)
        jpeg = with_gdepth(flat_jpeg, content, Mime="image/jpeg", Near="1", Far="5", Units="m")
        depth = depth_in_jpeg(jpeg)
        assert depth is not None
        np.testing.assert_allclose(depth.metres, 5 / (5 - 0.2 * 4), rtol=1e-3)

    def test_properties_written_as_elements(self, flat_jpeg: bytes) -> None:
        data = base64.b64encode(png(CODES)).decode()
        description = (
            f"<rdf:Description {GDEPTH}><GDepth:Format>RangeLinear</GDepth:Format>"
            "<GDepth:Near>2</GDepth:Near><GDepth:Far>10</GDepth:Far><GDepth:Units>m</GDepth:Units>"
            f"<GDepth:Data>\n{data}\n</GDepth:Data></rdf:Description>"
        )
        depth = depth_in_jpeg(with_xmp(flat_jpeg, description))
        assert depth is not None
        np.testing.assert_allclose(depth.metres[0, 0], 2 + VALUES * 8, rtol=1e-5)

    def test_a_photo_without_depth(self, flat_jpeg: bytes) -> None:
        assert depth_in_jpeg(flat_jpeg) is None

    def test_broken_xmp_of_a_photo_without_depth_does_not_matter(self, flat_jpeg: bytes) -> None:
        assert depth_in_jpeg(with_xmp(flat_jpeg, "<rdf:Description")) is None


class TestDamagedDepth:
    def test_a_depth_image_that_is_cut(self, flat_jpeg: bytes) -> None:
        content = png(np.random.default_rng(0).integers(0, 65535, (32, 32), np.uint16))
        with pytest.raises(FileError, match="embedded depth"):
            depth_in_jpeg(with_gdepth(flat_jpeg, content[: len(content) // 2]))

    @pytest.mark.parametrize("content", [b"", b"no image at all"])
    def test_data_that_is_no_image(self, flat_jpeg: bytes, content: bytes) -> None:
        with pytest.raises(FileError, match="embedded depth"):
            depth_in_jpeg(with_gdepth(flat_jpeg, content))

    def test_an_unknown_format(self, flat_jpeg: bytes) -> None:
        with pytest.raises(FileError, match="'Spiral' is neither RangeInverse nor RangeLinear"):
            depth_in_jpeg(with_gdepth(flat_jpeg, Format="Spiral", Near="1", Far="2"))

    def test_broken_xml(self, flat_jpeg: bytes) -> None:
        with pytest.raises(FileError, match="not well-formed"):
            depth_in_jpeg(with_xmp(flat_jpeg, f"<rdf:Description {GDEPTH}>"))

    def test_entities_are_never_expanded(self, flat_jpeg: bytes) -> None:
        description = f'<rdf:Description {GDEPTH} GDepth:Data="&data;"/>'
        bomb = (
            '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY data "&a;&a;&a;">]>'
            f'<x xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{description}</x>'
        )
        jpeg = with_segment(flat_jpeg, b"http://ns.adobe.com/xap/1.0/\0" + bomb.encode())
        with pytest.raises(FileError, match="document type"):
            depth_in_jpeg(jpeg)

    def test_too_many_pixels_are_not_decoded(
        self, flat_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded_depth, "_MAX_PIXELS", 3)
        with pytest.raises(FileError, match="2 × 2 px are too many"):
            depth_in_jpeg(with_gdepth(flat_jpeg))


def depth_map(units: str = "Meters", semantic: str = "Depth", uri: str = "depth/1") -> str:
    return (
        '<Device:Cameras><rdf:Seq><rdf:li rdf:parseType="Resource"><Device:Camera>'
        '<Camera:DepthMap DepthMap:Format="RangeInverse" DepthMap:Near="0.5" DepthMap:Far="8" '
        f'DepthMap:Units="{units}" DepthMap:ItemSemantic="{semantic}" '
        f'DepthMap:DepthURI="{uri}"/></Device:Camera></rdf:li></rdf:Seq></Device:Cameras>'
    )


def directory(*items: str) -> str:
    listed = "".join(f"<rdf:li>{item}</rdf:li>" for item in items)
    return (
        f"<Device:Container><Container:Directory><rdf:Seq>{listed}</rdf:Seq>"
        "</Container:Directory></Device:Container>"
    )


def item(length: int, uri: str, mime: str = "image/png", padding: int = 0) -> str:
    return (
        f'<Container:Item Item:Mime="{mime}" Item:Length="{length}" '
        f'Item:Padding="{padding}" Item:DataURI="{uri}"/>'
    )


def with_dynamic_depth(jpeg: bytes, *parts: str) -> bytes:
    return with_xmp(jpeg, f"<rdf:Description {DYNAMIC_DEPTH}>{''.join(parts)}</rdf:Description>")


class TestDynamicDepth:
    EXPECTED = 8 * 0.5 / (8 - VALUES * 7.5)

    def check(self, jpeg: bytes) -> None:
        depth = depth_in_jpeg(jpeg)
        assert depth is not None
        assert depth.is_metric
        np.testing.assert_allclose(depth.metres[0, 0], self.EXPECTED, rtol=1e-5)

    def test_finds_the_depth_among_the_appended_files(self, flat_jpeg: bytes) -> None:
        content = png(CODES)
        listed = directory(
            item(0, "primary_image", "image/jpeg"),
            item(len(flat_jpeg), "android/original_image", "image/jpeg"),
            item(len(content), "depth/1"),
            item(5, "android/confidencemap"),
        )
        jpeg = with_dynamic_depth(flat_jpeg, listed, depth_map())
        self.check(jpeg + flat_jpeg + content + b"12345")

    def test_properties_written_as_elements(self, flat_jpeg: bytes) -> None:
        content = png(CODES)
        listed = "".join(
            '<rdf:li rdf:parseType="Resource"><Item:Mime>image/png</Item:Mime>'
            f"<Item:Length>{length}</Item:Length><Item:DataURI>{uri}</Item:DataURI></rdf:li>"
            for length, uri in ((0, "primary_image"), (len(content), "depth/1"))
        )
        self.check(with_dynamic_depth(flat_jpeg, listed, depth_map()) + content)

    def test_skips_the_padding_behind_the_photo(self, flat_jpeg: bytes) -> None:
        content = png(CODES)
        listed = directory(item(0, "primary_image", padding=7), item(len(content), "depth/1"))
        self.check(with_dynamic_depth(flat_jpeg, listed, depth_map()) + bytes(7) + content)

    @pytest.mark.parametrize(("between", "behind"), [(b"unlisted", b""), (b"", b"trailer")])
    def test_finds_the_depth_beside_unlisted_data(
        self, flat_jpeg: bytes, between: bytes, behind: bytes
    ) -> None:
        content = png(CODES)
        listed = directory(item(0, "primary_image"), item(len(content), "depth/1"))
        jpeg = with_dynamic_depth(flat_jpeg, listed, depth_map())
        self.check(jpeg + between + content + behind)

    def test_a_progressive_photo_has_many_scans(self, encode: Callable[..., bytes]) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        jpeg = encode(noise, "JPEG", progressive=True)
        content = png(CODES)
        listed = directory(item(0, "primary_image"), item(len(content), "depth/1"))
        # With something unlisted behind it, the place follows from the end of the photo alone.
        self.check(with_dynamic_depth(jpeg, listed, depth_map()) + content + b"trailer")

    def test_the_semantic_of_newer_directories(self, flat_jpeg: bytes) -> None:
        content = png(CODES)
        items = "".join(
            f'<rdf:li><G:Item xmlns:I="http://ns.google.com/photos/1.0/container/item/" '
            f'xmlns:G="http://ns.google.com/photos/1.0/container/" I:Mime="image/png" '
            f'I:Semantic="{semantic}" I:Length="{length}"/></rdf:li>'
            for semantic, length in (("Primary", 0), ("GainMap", 3), ("Depth", len(content)))
        )
        self.check(with_dynamic_depth(flat_jpeg, items, depth_map()) + b"map" + content)

    def test_a_segmentation_is_no_depth(self, flat_jpeg: bytes) -> None:
        mask, content = png(CODES[::-1]), png(CODES)
        listed = directory(
            item(0, "primary_image"), item(len(mask), "mask"), item(len(content), "depth/1")
        )
        maps = depth_map(semantic="Segmentation", uri="mask") + depth_map()
        self.check(with_dynamic_depth(flat_jpeg, listed, maps) + mask + content)

    def test_a_photo_without_an_end(self, flat_jpeg: bytes) -> None:
        """The place of the depth then follows from the end of the file alone."""
        content = png(CODES)
        listed = directory(item(0, "primary_image"), item(len(content), "depth/1"))
        # A PNG holds bytes that look like the end of a JPEG only by chance.
        assert b"\xff\xd9" not in content
        self.check(with_dynamic_depth(flat_jpeg[:-2], listed, depth_map()) + content)

    def test_units_none_is_relative(self, flat_jpeg: bytes) -> None:
        content = png(CODES)
        listed = directory(item(0, "primary_image"), item(len(content), "depth/1"))
        jpeg = with_dynamic_depth(flat_jpeg, listed, depth_map(units="None")) + content
        depth = depth_in_jpeg(jpeg)
        assert depth is not None
        assert not depth.is_metric

    @pytest.mark.parametrize(
        ("listed", "complaint"),
        [
            (directory(item(0, "primary_image"), item(400, "depth/1")), "not where the directory"),
            (directory(item(0, "primary_image"), item(9, "else")), "not in the directory"),
            (directory(item(0, "primary_image")), "not in the directory"),
            ("", "directory of appended images is missing"),
            (directory(item(0, "p"), '<Container:Item Item:Length="x"/>'), "not in the directory"),
        ],
    )
    def test_a_wrong_directory_is_an_error(
        self, flat_jpeg: bytes, listed: str, complaint: str
    ) -> None:
        with pytest.raises(FileError, match=complaint):
            depth_in_jpeg(with_dynamic_depth(flat_jpeg, listed, depth_map()) + b"no image")


# What a viewer must show for the stored picture [[0, 1], [2, 3]].
SHOWN = {
    1: [[0, 1], [2, 3]],
    2: [[1, 0], [3, 2]],
    3: [[3, 2], [1, 0]],
    4: [[2, 3], [0, 1]],
    5: [[0, 2], [1, 3]],
    6: [[2, 0], [3, 1]],
    7: [[3, 1], [2, 0]],
    8: [[1, 3], [0, 2]],
}


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_depth_is_turned_with_the_photo(self, flat_jpeg: bytes, orientation: int) -> None:
        depth = depth_in_jpeg(with_gdepth(flat_jpeg), orientation)
        assert depth is not None
        expected = 1 - VALUES.ravel()[SHOWN[orientation]]
        np.testing.assert_allclose(depth.disparity[0, 0], expected, atol=1e-5)


class TestWriting:
    def noise(self, height: int = 240, width: int = 320) -> torch.Tensor:
        return torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(1))

    @pytest.mark.parametrize("size", [(8, 8), (240, 320)], ids=["one segment", "extended XMP"])
    def test_metric_depth_comes_back_within_a_step(
        self, flat_jpeg: bytes, size: tuple[int, int]
    ) -> None:
        depth = Depth.from_metres(0.5 + 20 * self.noise(*size))
        jpeg = embed_depth(flat_jpeg, depth)
        is_extended = b"http://ns.adobe.com/xmp/extension/" in jpeg
        assert is_extended == (size == (240, 320))
        again = depth_in_jpeg(jpeg)
        assert again is not None
        assert again.is_metric
        step = (depth.disparity.max() - depth.disparity.min()) / 65535
        assert (again.disparity - depth.disparity).abs().max() < 0.6 * step

    def test_relative_depth_comes_back_within_a_step(self, flat_jpeg: bytes) -> None:
        depth = Depth.from_relative(self.noise(32, 32))
        again = depth_in_jpeg(embed_depth(flat_jpeg, depth))
        assert again is not None
        assert not again.is_metric
        assert (again.disparity - depth.disparity).abs().max() < 0.6 / 65535

    def test_infinitely_far_becomes_very_far(self, flat_jpeg: bytes) -> None:
        depth = Depth.from_metres(torch.tensor([[[[2.0, 8.0, math.inf]]]]))
        again = depth_in_jpeg(embed_depth(flat_jpeg, depth))
        assert again is not None
        assert again.metres[..., 2] > 100_000
        assert (again.disparity - depth.disparity).abs().max() < 0.6 * 0.5 / 65535

    @pytest.mark.parametrize("metres", [3.0, math.inf])
    def test_a_flat_depth_comes_back(self, flat_jpeg: bytes, metres: float) -> None:
        depth = Depth.from_metres(torch.full((1, 1, 4, 4), metres))
        again = depth_in_jpeg(embed_depth(flat_jpeg, depth))
        assert again is not None
        torch.testing.assert_close(again.disparity, depth.disparity, atol=1e-5, rtol=1e-5)

    def test_pixels_and_exif_stay(self, encode: Callable[..., bytes]) -> None:
        exif = Image.Exif()
        exif[271] = "Canon"
        jpeg = encode(np.arange(192, dtype=np.uint8).reshape(8, 8, 3), "JPEG", exif=exif)
        written = Image.open(BytesIO(embed_depth(jpeg, Depth.from_relative(self.noise()))))
        assert written.getexif()[271] == "Canon"
        assert np.array_equal(np.asarray(written), np.asarray(Image.open(BytesIO(jpeg))))

    def test_a_second_depth_replaces_the_first(self, flat_jpeg: bytes) -> None:
        first = embed_depth(flat_jpeg, Depth.from_relative(self.noise()))
        second = embed_depth(first, Depth.from_metres(torch.tensor([[[[1.0, 2.0]]]])))
        depth = depth_in_jpeg(second)
        assert depth is not None
        torch.testing.assert_close(depth.metres, torch.tensor([[[[1.0, 2.0]]]]))
        assert len(second) < len(flat_jpeg) + 2000

    def split(self, jpeg: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """In front of the extended XMP, its first part, its second, and all the rest."""
        marker = b"http://ns.adobe.com/xmp/extension/\0"
        front, *parts = jpeg.split(marker)
        assert len(parts) >= 3, "the XMP is meant to be long"
        # The four bytes in front of each marker begin its segment.
        head, segments = front[:-4], []
        start = front[-4:]
        for part in parts[:2]:
            segments.append(start + marker + part[:-4])
            start = part[-4:]
        return head, segments[0], segments[1], start + marker + marker.join(parts[2:])

    def test_parts_of_extended_xmp_may_come_in_any_order(self, flat_jpeg: bytes) -> None:
        depth = Depth.from_relative(self.noise())
        head, one, two, rest = self.split(embed_depth(flat_jpeg, depth))
        again = depth_in_jpeg(head + two + one + rest)
        assert again is not None
        assert (again.disparity - depth.disparity).abs().max() < 0.6 / 65535

    def test_a_lost_part_of_extended_xmp_is_an_error(self, flat_jpeg: bytes) -> None:
        head, one, _, rest = self.split(embed_depth(flat_jpeg, Depth.from_relative(self.noise())))
        with pytest.raises(FileError, match="extended XMP with only"):
            depth_in_jpeg(head + one + rest)

    def test_a_batch_is_refused(self, flat_jpeg: bytes) -> None:
        with pytest.raises(InputError, match="batch of 2"):
            embed_depth(flat_jpeg, Depth.from_relative(torch.zeros(2, 1, 4, 4)))

    def test_another_kind_of_file_is_refused(self) -> None:
        with pytest.raises(InputError, match="JPEG"):
            embed_depth(png(CODES), Depth.from_relative(torch.zeros(1, 1, 4, 4)))
