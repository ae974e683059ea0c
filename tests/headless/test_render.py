"""`fp.render`: one call from arrays to arrays."""

from __future__ import annotations

import math

import focuspuller as fp
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from focuspuller.errors import InputError
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.optics import camera_bokeh_level

HEIGHT, WIDTH = 24, 36
CAMERA = fp.Camera(focal_length_mm=50.0, f_number=1.4)
CHOICE = {"focus_distance": 2.0, "bokeh_level": 6.0}


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(3).random((HEIGHT, WIDTH, 3), np.float32)


@pytest.fixture
def metres() -> np.ndarray:
    """A ramp from 1 m at the left to 5 m at the right."""
    return np.linspace(1.0, 5.0, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)


class TestArrays:
    @pytest.mark.parametrize("shape", [(HEIGHT, WIDTH, 3), (1, HEIGHT, WIDTH, 3)])
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("library", ["numpy", "torch"])
    def test_the_result_is_of_the_kind_of_the_image(self, image, metres, library, dtype, shape):
        given = image.reshape(shape).astype(dtype)
        reference = fp.render(image.astype("float64"), metres, **CHOICE)
        if library == "torch":
            given = torch.from_numpy(given)
        result = fp.render(given, metres, **CHOICE)
        assert type(result) is type(given)
        assert result.dtype == given.dtype
        assert tuple(result.shape) == shape
        if library == "torch":
            assert result.device == given.device
        tolerance = {"float16": 3e-3, "float32": 1e-4, "float64": 1e-9}[dtype]
        difference = np.asarray(result, np.float64).reshape(reference.shape) - reference
        assert np.abs(difference).max() < tolerance

    def test_it_really_blurs(self, image, metres):
        result = fp.render(image, metres, **CHOICE)
        assert result.std() < 0.8 * image.std()

    def test_the_device_of_a_tensor_is_kept_and_may_be_overruled(self, image, metres):
        result = fp.render(torch.from_numpy(image), metres, **CHOICE, device="cpu")
        assert result.device == torch.device("cpu")
        np.testing.assert_array_equal(result, fp.render(image, metres, **CHOICE))

    def test_inputs_are_left_as_they_were(self, image, metres):
        metres[3, 3] = np.nan
        mask = np.ones((HEIGHT, WIDTH), np.float32)
        before = image.copy(), metres.copy(), mask.copy()
        fp.render(image, metres, focus_mask=mask, bokeh_level=6.0)
        for now, then in zip((image, metres, mask), before, strict=True):
            np.testing.assert_array_equal(now, then)

    def test_the_result_shares_no_memory_with_the_image(self, image, metres):
        result = fp.render(image, metres, focus_distance=2.0, bokeh_level=0.0, lens="taf")
        assert not np.shares_memory(result, image)

    def test_several_focus_points_are_all_sharp(self, image):
        metres = np.ones((HEIGHT, WIDTH), np.float32)
        metres[:, WIDTH // 2 :] = 4.0
        near, far = (0.25, 0.5), (0.75, 0.5)
        options = {"bokeh_level": 12.0, "lens": "taf"}
        both = fp.render(image, metres, focus_point=[near, far], **options)
        np.testing.assert_allclose(both, image, atol=1e-5)
        alone = fp.render(image, metres, focus_point=near, **options)
        assert np.abs(alone - image).max() > 0.1

    def test_a_region_is_a_place_to_focus_on(self, image, metres):
        metres = np.where(np.arange(WIDTH) < WIDTH // 2, 1.0, 4.0)[None].repeat(HEIGHT, 0)
        options = {"bokeh_level": 12.0, "lens": "taf"}
        right = fp.render(image, metres, focus_point=(0.4, 0.0, 1.0, 1.0), **options)
        np.testing.assert_array_equal(
            right, fp.render(image, metres, focus_distance=4.0, **options)
        )
        both = fp.render(image, metres, focus_point=[(0.6, 0, 1, 1), (0.25, 0.5)], **options)
        np.testing.assert_allclose(both, image, atol=1e-5)

    @pytest.mark.parametrize("points", [[], (0.5,), "middle", [(0.5, 0.5), (0.5,)]])
    def test_focus_points_that_are_none_are_refused(self, image, metres, points):
        with pytest.raises(InputError, match="focus_point"):
            fp.render(image, metres, focus_point=points, bokeh_level=6.0)

    def test_a_batch_is_rendered_one_by_one(self, image, metres):
        images = np.stack([image, 1 - image])
        depths = np.stack([metres, metres[:, ::-1]])
        result = fp.render(images, depths, **CHOICE)
        assert result.shape == images.shape
        alone = fp.render(images[1], np.ascontiguousarray(depths[1]), **CHOICE)
        np.testing.assert_allclose(result[1], alone, atol=1e-5)

    def test_one_image_and_several_depths_give_several_images(self, image, metres):
        result = fp.render(image, np.stack([metres, metres * 2, metres * 3]), **CHOICE)
        assert result.shape == (3, HEIGHT, WIDTH, 3)

    def test_flipped_read_only_and_byte_swapped_arrays_are_taken(self, image, metres):
        expected = fp.render(image, metres, **CHOICE)
        flipped = np.ascontiguousarray(image[..., ::-1])[..., ::-1]
        read_only = image.copy()
        read_only.flags.writeable = False
        for given in (flipped, read_only, image.astype(">f4")):
            np.testing.assert_array_equal(fp.render(given, metres, **CHOICE), expected)
        upside_down = np.ascontiguousarray(metres[::-1])[::-1]
        np.testing.assert_array_equal(fp.render(image, upside_down, **CHOICE), expected)

    def test_a_fourth_channel_is_dropped_and_that_is_said(self, image, metres, caplog):
        four = np.concatenate([image, np.zeros_like(image[..., :1])], axis=-1)
        result = fp.render(four, metres, **CHOICE)
        np.testing.assert_array_equal(result, fp.render(image, metres, **CHOICE))
        assert "the fourth channel (opacity) is dropped" in caplog.text

    def test_one_pixel_renders_to_itself(self):
        image = np.full((1, 1, 3), 0.4, np.float32)
        result = fp.render(image, np.ones((1, 1)), **CHOICE)
        np.testing.assert_allclose(result, image, atol=1e-5)

    def test_gradients_reach_image_and_depth(self, image, metres):
        pixels = torch.from_numpy(image).requires_grad_()
        depth = torch.from_numpy(metres).requires_grad_()
        weights = torch.from_numpy(image).flip(0)
        (fp.render(pixels, depth, **CHOICE, lens="taf") * weights).sum().backward()
        assert pixels.grad.abs().sum() > 0
        assert depth.grad.abs().sum() > 0

    @pytest.mark.parametrize(
        ("shape", "dtype", "received"),
        [
            ((HEIGHT, WIDTH, 3), "uint8", "torch.uint8"),
            ((HEIGHT, WIDTH, 3), "int64", "torch.int64"),
            ((HEIGHT, WIDTH), "float32", "[24, 36]"),
            ((HEIGHT, WIDTH, 2), "float32", "[1, 24, 36, 2]"),
            ((0, HEIGHT, WIDTH, 3), "float32", "[0, 24, 36, 3]"),
        ],
    )
    def test_what_is_no_image_is_refused(self, metres, shape, dtype, received):
        with pytest.raises(InputError, match=r"^image: ") as caught:
            fp.render(np.ones(shape, dtype), metres, **CHOICE)
        assert received in caught.value.received

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_broken_pixels_are_refused(self, image, metres, value):
        image[2, 3, 1] = value
        with pytest.raises(InputError, match="NaN or infinite pixels"):
            fp.render(image, metres, **CHOICE)


class TestDepth:
    def test_arrays_are_metres(self, image, metres):
        expected = fp.render(image, metres, **CHOICE)
        depth = fp.Depth.from_metres(torch.from_numpy(metres)[None, None])
        for given in (torch.from_numpy(metres), metres[None], metres[..., None], depth):
            np.testing.assert_array_equal(fp.render(image, given, **CHOICE), expected)

    def test_whole_numbers_are_metres_too(self, image):
        metres = np.repeat([[1, 2, 3, 4]], HEIGHT, axis=0).repeat(9, axis=1)
        expected = fp.render(image, metres.astype("float32"), **CHOICE)
        for dtype in ("uint8", "uint16", "int32", "float16"):
            np.testing.assert_allclose(
                fp.render(image, metres.astype(dtype), **CHOICE), expected, atol=1e-6
            )

    def test_disparity_is_relative(self, image, metres):
        nearness = 1 / metres
        relative = (nearness - nearness.min()) / (nearness.max() - nearness.min())
        # K per relative unit is K per 1/m times the range.
        level = 6.0 * float(nearness.max() - nearness.min())
        focus = float((0.5 - nearness.min()) / (nearness.max() - nearness.min()))
        result = fp.render(image, disparity=relative, focus_disparity=focus, bokeh_level=level)
        np.testing.assert_allclose(result, fp.render(image, metres, **CHOICE), atol=1e-4)

    def test_disparity_of_any_scale_is_scaled(self, image, metres):
        options = {"focus_disparity": 0.5, "bokeh_level": 6.0}
        relative = np.linspace(0.0, 1.0, WIDTH)[None].repeat(HEIGHT, axis=0)
        expected = fp.render(image, disparity=relative, **options)
        result = fp.render(image, disparity=1000.0 * relative - 300.0, **options)
        np.testing.assert_allclose(result, expected, atol=1e-5)

    def test_depth_of_another_size_is_resampled_and_that_is_said_once(self, image, caplog):
        result = fp.render(image, np.full((6, 9), 3.0), **CHOICE)
        expected = fp.render(image, np.full((HEIGHT, WIDTH), 3.0), **CHOICE)
        np.testing.assert_allclose(result, expected, atol=1e-5)
        assert [record.getMessage() for record in caplog.records] == [
            "The depth is 9×6 px, the image 36×24: the depth is resampled."
        ]

    @pytest.mark.parametrize("invalid", [np.nan, 0.0, -2.0, -np.inf])
    def test_invalid_values_are_filled_and_that_is_said(self, image, caplog, invalid):
        metres = np.full((HEIGHT, WIDTH), 3.0)
        holes = metres.copy()
        holes[4:9, 5:20] = invalid
        result = fp.render(image, holes, **CHOICE)
        np.testing.assert_allclose(result, fp.render(image, metres, **CHOICE), atol=1e-4)
        assert "75 of 864 depth values are invalid" in caplog.text

    def test_infinity_is_infinitely_far(self, image, metres):
        metres[:, 18:] = np.inf
        result = fp.render(image, metres, focus_distance=math.inf, bokeh_level=6.0, lens="taf")
        np.testing.assert_allclose(result[:, 18:], image[:, 18:], atol=1e-5)
        assert np.abs(result[:, :9] - image[:, :9]).max() > 0.1

    def test_constant_depth_is_sharp_where_it_is_focused_on(self, image):
        metres = np.full((HEIGHT, WIDTH), 2.0)
        result = fp.render(image, metres, focus_point=(0.5, 0.5), camera=CAMERA, lens="taf")
        np.testing.assert_allclose(result, image, atol=1e-5)

    @pytest.mark.parametrize(
        "depth", [np.full((4, 4), np.nan), np.zeros((4, 4)), np.full((4, 4), -1.0)]
    )
    def test_depth_without_one_valid_value_is_refused(self, image, depth):
        with pytest.raises(InputError, match="without a single valid value"):
            fp.render(image, depth, **CHOICE)

    @pytest.mark.parametrize("shape", [(0, 4), (4,), (1, 1, 4, 4), (24, 36, 3)])
    def test_what_is_no_map_is_refused(self, image, shape):
        with pytest.raises(InputError, match=r"^depth: received shape .*\[H,W\] or"):
            fp.render(image, np.ones(shape), **CHOICE)

    def test_batches_that_do_not_fit_are_refused(self, image, metres):
        with pytest.raises(InputError, match="3 maps for 2 images"):
            fp.render(np.stack([image] * 2), np.stack([metres] * 3), **CHOICE)

    @pytest.mark.parametrize("given", [("depth", "disparity"), ()])
    def test_exactly_one_map_is_needed(self, image, metres, given):
        with pytest.raises(InputError, match=r"^depth, disparity: .*Give exactly one") as caught:
            fp.render(image, **dict.fromkeys(given, metres), **CHOICE)
        assert caught.value.received == (" and ".join(given) or "none of them")


class TestFocus:
    def test_every_way_to_name_a_plane_gives_the_same_picture(self, image, metres):
        expected = fp.render(image, metres, focus_distance=float(metres[0, 9]), bokeh_level=6.0)
        mask = np.zeros((HEIGHT, WIDTH), np.float32)
        mask[:, 9] = 1.0
        for choice in (
            {"focus_point": (9.5 / WIDTH, 0.3)},
            {"focus_mask": mask},
            {"focus_mask": torch.from_numpy(mask)},
            {"focus_mask": mask > 0.5},
            {"focus_disparity": 1 / float(metres[0, 9])},
            {"focus": fp.Focus.at_distance(float(metres[0, 9]))},
        ):
            result = fp.render(image, metres, **choice, bokeh_level=6.0)
            np.testing.assert_allclose(result, expected, atol=1e-4, err_msg=str(choice))

    def test_the_plane_is_sharp_and_the_rest_is_not(self, image, metres):
        column = 9
        result = fp.render(
            image, metres, focus_distance=float(metres[0, column]), bokeh_level=20.0, lens="taf"
        )
        change = np.abs(result - image).mean(axis=(0, 2))
        assert change[column] < 1e-5
        assert (change[:5] > 0.05).all()
        assert (change[-15:] > 0.05).all()

    def test_a_focus_range_in_metres_stays_sharp(self, image, metres):
        result = fp.render(
            image, metres, focus_distance=3.0, focus_range=2.0, bokeh_level=40.0, lens="taf"
        )
        change = np.abs(result - image).mean(axis=(0, 2))
        is_sharp = np.abs(metres[0] - 3.0) <= 1.0
        assert (change[is_sharp] < 1e-5).all()
        assert (change[np.abs(metres[0] - 3.0) > 1.5] > 0.05).all()

    def test_a_focus_pull_gives_a_frame_per_plane(self, image, metres):
        near, far = fp.Focus.at_distance(1.0), fp.Focus.at_distance(5.0)
        pull = fp.pull_focus([(0, near), (3, far)], frames=4, easing="linear")
        frames = fp.render(image, metres, focus=pull, bokeh_level=6.0)
        assert frames.shape == (4, HEIGHT, WIDTH, 3)
        for frame, focus in ((frames[0], near), (frames[3], far)):
            alone = fp.render(image, metres, focus=focus, bokeh_level=6.0)
            np.testing.assert_allclose(frame, alone, atol=1e-4)

    @pytest.mark.parametrize(
        ("choice", "subject"),
        [
            ({"focus_point": (1.5, 0.5)}, "focus_point"),
            ({"focus_mask": np.zeros((4, 4))}, "mask"),
            ({"focus_distance": 0.0}, "focus_distance"),
            ({"focus_distance": -1.0}, "focus_distance"),
            ({"focus_distance": math.nan}, "focus_distance"),
            ({"focus_disparity": -1.0}, "focus_disparity"),
            ({"focus_distance": 2.0, "focus_range": -1.0}, "focus_range"),
        ],
    )
    def test_a_focus_without_meaning_is_refused(self, image, metres, choice, subject):
        with pytest.raises(InputError) as caught:
            fp.render(image, metres, **choice, bokeh_level=6.0)
        assert caught.value.subject == subject

    @pytest.mark.parametrize(
        ("choice", "received"),
        [
            ({}, "none of them"),
            (
                {"focus_point": (0.5, 0.5), "focus_distance": 2.0},
                "focus_point and focus_distance",
            ),
        ],
    )
    def test_exactly_one_place_is_needed(self, image, metres, choice, received):
        with pytest.raises(InputError, match="Give exactly one") as caught:
            fp.render(image, metres, **choice, bokeh_level=6.0)
        assert caught.value.received == received

    def test_a_distance_in_metres_needs_metric_depth(self, image, metres):
        with pytest.raises(InputError, match="relative depth with metric focus"):
            fp.render(image, disparity=1 / metres, focus_distance=2.0, bokeh_level=6.0)

    def test_planes_and_depths_have_to_fit(self, image, metres):
        focus = fp.Focus.at_distance([1.0, 2.0, 3.0])
        with pytest.raises(InputError, match="3 focus values for 2 images"):
            fp.render(image, np.stack([metres] * 2), focus=focus, bokeh_level=6.0)


class TestStrength:
    @pytest.mark.parametrize("lens", list(fp.LENSES))
    def test_a_camera_is_its_bokeh_level(self, image, metres, lens):
        level = float(camera_bokeh_level(CAMERA.for_image(HEIGHT, WIDTH), 1 / 2.0))
        # f² z_f / (2 N (z_f − f)) · px/mm, in px per 1/m
        assert level == pytest.approx(0.05**2 * 2 / (2 * 1.4 * 1.95) * 1000 * WIDTH / 36)
        level_scaled = 30 * level
        wide = fp.Camera(50.0, 1.4 / 30)
        by_camera = fp.render(image, metres, focus_distance=2.0, camera=wide, lens=lens)
        by_level = fp.render(image, metres, focus_distance=2.0, bokeh_level=level_scaled, lens=lens)
        np.testing.assert_allclose(by_camera, by_level, atol=1e-4)
        assert np.abs(by_camera - image).max() > 0.05

    def test_a_larger_f_number_blurs_less(self, image, metres):
        spread = [
            fp.render(
                image, metres, focus_distance=1.0, camera=fp.Camera(200.0, n), lens="taf"
            ).std()
            for n in (1.0, 2.0, 8.0, 64.0)
        ]
        assert spread == sorted(spread)
        assert spread[-1] == pytest.approx(image.std(), abs=1e-3)

    def test_the_focus_scale_divides_the_level(self, image, metres):
        wide = fp.Camera(50.0, 0.05)
        scaled = fp.render(image, metres, focus_distance=2.0, camera=wide, focus_scale=2.0)
        level = float(camera_bokeh_level(wide.for_image(HEIGHT, WIDTH), 1 / 2.0))
        # The denominator z_f − f becomes f_s z_f − f.
        expected = fp.render(
            image,
            metres,
            focus_distance=2.0,
            bokeh_level=level * (2.0 - 0.05) / (2.0 * 2.0 - 0.05),
        )
        np.testing.assert_allclose(scaled, expected, atol=1e-4)

    @pytest.mark.parametrize(
        "given", [{}, {"camera": CAMERA, "bokeh_level": 6.0}], ids=["none", "both"]
    )
    def test_exactly_one_strength_is_needed(self, image, metres, given):
        with pytest.raises(InputError, match=r"^camera, bokeh_level: .*Give exactly one"):
            fp.render(image, metres, focus_distance=2.0, **given)

    @pytest.mark.parametrize("level", [-1.0, math.nan, math.inf])
    def test_a_level_without_meaning_is_refused(self, image, metres, level):
        with pytest.raises(InputError, match=f"^bokeh_level: received {level}"):
            fp.render(image, metres, focus_distance=2.0, bokeh_level=level)

    def test_a_camera_needs_metric_depth(self, image, metres):
        with pytest.raises(InputError, match="A camera needs metres"):
            fp.render(image, disparity=1 / metres, focus_disparity=0.5, camera=CAMERA)

    def test_focus_within_the_focal_length_is_refused(self, image, metres):
        with pytest.raises(InputError, match="focal length"):
            fp.render(image, metres, focus_distance=0.04, camera=CAMERA)


class TestLensAndLight:
    def test_lenses_have_names_and_options(self, image, metres):
        taf, bokehme, layered = (
            fp.render(image, metres, **CHOICE, lens=name) for name in ("taf", "bokehme", "layered")
        )
        assert np.abs(taf - bokehme).max() > 0.01
        np.testing.assert_array_equal(
            bokehme, fp.render(image, metres, **CHOICE, lens=fp.Lens("bokehme"))
        )
        np.testing.assert_array_equal(layered, fp.render(image, metres, **CHOICE))
        gamma = fp.Lens("bokehme", fp.BokehMeOptions(gamma=4.0))
        assert np.abs(bokehme - fp.render(image, metres, **CHOICE, lens=gamma)).max() > 0.01

    def test_an_unknown_lens_is_refused_and_the_known_are_named(self, image, metres):
        with pytest.raises(InputError, match=r"'petzval'.*layered, drbokeh, bokehme, taf"):
            fp.render(image, metres, **CHOICE, lens="petzval")

    def test_options_of_another_lens_are_refused(self):
        with pytest.raises(InputError, match=r"a BokehMeOptions for the lens 'taf'"):
            fp.Lens("taf", fp.BokehMeOptions())

    @pytest.mark.parametrize(
        ("name", "value"),
        [("camera", "50mm"), ("aperture", "heart"), ("focus_point", 0.5), ("depth", "d.npy")],
    )
    def test_other_kinds_of_values_are_refused_by_name(self, image, metres, name, value):
        arguments = {"depth": metres, "focus_point": (0.5, 0.5), "camera": CAMERA} | {name: value}
        with pytest.raises(InputError, match=repr(value)):
            fp.render(image, **arguments)

    def test_an_unknown_device_is_refused(self, image, metres):
        with pytest.raises(InputError, match=r"^device: received abacus, which is none\. Give cpu"):
            fp.render(image, metres, **CHOICE, device="abacus")

    @pytest.mark.parametrize("lens", list(fp.LENSES))
    def test_a_linear_rendering_coded_again_is_the_default(self, image, metres, lens):
        coded = torch.from_numpy(image)
        default = fp.render(coded, metres, **CHOICE, lens=lens)
        linear = fp.render(srgb_to_linear(coded), metres, **CHOICE, lens=lens, linear=True)
        torch.testing.assert_close(linear_to_srgb(linear), default, atol=1e-5, rtol=0)
        assert (linear - default).abs().max() > 0.1

    def test_linear_light_may_be_brighter_than_white(self, metres):
        light = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        light[12, 18] = 100.0
        result = fp.render(light, metres, focus_distance=1.0, bokeh_level=6.0, linear=True)
        assert result.max() > 1.0
        assert result.sum() == pytest.approx(light.sum(), rel=0.3)

    def test_an_aperture_shapes_the_light(self):
        light = np.zeros((41, 41, 3), np.float32)
        light[20, 20] = 1.0
        options = {"focus_distance": 1.0, "bokeh_level": 16.0, "linear": True}
        depth = np.full((41, 41), 2.0)  # r = 16 · |1/2 − 1| = 8 px
        circle = fp.render(light, depth, **options)[..., 0]
        square = fp.render(light, depth, **options, aperture=fp.Aperture(blades=4))[..., 0]
        area = [disc.sum() / disc.max() for disc in (circle, square)]
        assert area[0] == pytest.approx(math.pi * 8**2, rel=0.05)
        assert area[1] == pytest.approx(2 * 8**2, rel=0.05)  # the square within that circle

    @pytest.mark.parametrize("lens", list(fp.LENSES))
    def test_half_the_size_is_the_same_picture(self, lens):
        """Rendering and then halving looks like halving and then rendering."""
        generator = torch.Generator().manual_seed(1)
        coarse = torch.rand(1, 3, 9, 12, generator=generator)
        scene = F.interpolate(coarse, (96, 128), mode="bicubic").clamp(0, 1)
        slope = torch.linspace(1.0, 4.0, 128).expand(1, 1, 96, 128)

        def halved(planar: torch.Tensor) -> torch.Tensor:
            return F.avg_pool2d(planar, 2)

        def rendered(planar: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
            result = fp.render(
                planar[0].permute(1, 2, 0),
                depth[0, 0],
                focus_distance=2.0,
                camera=fp.Camera(85.0, 0.5),
                lens=lens,
                linear=True,
            )
            return result.permute(2, 0, 1)[None]

        large = halved(rendered(scene, slope))
        small = rendered(halved(scene), 1 / halved(1 / slope))
        blur = float((small - halved(scene)).square().mean())
        error = float((large - small).square().mean())
        assert 10 * math.log10(1 / error) > 44
        # What is steep enough at full size to be an edge is none at half size, or the reverse.
        assert error < blur / (50 if lens == "layered" else 100)


class TestHighlights:
    STRONG = fp.Highlights(stops=5.0, threshold=0.8)

    @pytest.fixture
    def night(self) -> np.ndarray:
        image = np.full((HEIGHT, WIDTH, 3), 0.1, np.float32)
        image[12, 30] = 1.0
        return image

    @pytest.mark.parametrize("lens", list(fp.LENSES))
    def test_left_out_not_one_bit_changes(self, image, metres, lens):
        plain = fp.render(image, metres, **CHOICE, lens=lens)
        for highlights in (None, fp.Highlights(stops=0.0)):
            same = fp.render(image, metres, **CHOICE, lens=lens, highlights=highlights, linear=True)
            linear = fp.render(image, metres, **CHOICE, lens=lens, linear=True)
            np.testing.assert_array_equal(same, linear)
        assert np.array_equal(plain, fp.render(image, metres, **CHOICE, lens=lens, highlights=None))

    @pytest.mark.parametrize("lens", list(fp.LENSES))
    def test_a_clipped_light_becomes_a_bright_disc(self, night, metres, lens):
        options = {"focus_distance": 1.0, "bokeh_level": 6.0, "lens": lens}
        plain = fp.render(night, metres, **options)
        bright = fp.render(night, metres, **options, highlights=self.STRONG)
        # r = 6 · (1 − 1/4.4) = 4.6 px
        assert plain[12, 30].max() < 0.25
        assert bright[12, 30].min() > 0.5
        assert bright.max() <= 1.0 + 1e-6

    # A lens whose discs have no rim outside their radius: nothing leaks where nothing is blurred.
    SHARP = {"focus_distance": 2.0, "bokeh_level": 0.0, "lens": "taf"}  # noqa: RUF012

    def test_what_is_sharp_stays_as_it_was(self, image, metres):
        sharp = fp.render(image, metres, **self.SHARP, highlights=self.STRONG)
        np.testing.assert_allclose(sharp, image, atol=1e-4)

    def test_without_roll_off_all_of_the_light_stays(self, image, metres):
        bright = fp.render(image, metres, **self.SHARP, highlights=self.STRONG, roll_off=False)
        np.testing.assert_allclose(bright, fp.recover_highlights(image, self.STRONG), atol=1e-4)
        assert bright.max() > 2.0
        back = fp.compress_highlights(bright, self.STRONG)
        np.testing.assert_allclose(back, image, atol=1e-4)

    @pytest.mark.parametrize("library", ["numpy", "torch"])
    def test_arrays_keep_their_kind_and_shape(self, image, library):
        given = torch.from_numpy(image) if library == "torch" else image
        for pictures in (given, given[None]):
            recovered = fp.recover_highlights(pictures, linear=True)
            assert type(recovered) is type(pictures)
            assert recovered.shape == pictures.shape

    def test_another_kind_of_value_is_refused(self, image, metres):
        with pytest.raises(InputError, match=r"^highlights: received 3"):
            fp.render(image, metres, **CHOICE, highlights=3.0)

    def test_negative_light_is_taken_as_none_and_that_is_said(self, image, metres, caplog):
        negative = image.copy()
        negative[3, 4, 1] = -2.0
        result = fp.render(negative, metres, **CHOICE)
        np.testing.assert_array_equal(result, fp.render(negative.clip(min=0), metres, **CHOICE))
        assert caplog.messages == ["image: negative light in 1 pixels is taken as none."]


class TestProgress:
    @pytest.mark.parametrize("lens", list(fp.LENSES))
    @pytest.mark.parametrize("level", [0.0, 6.0])
    def test_it_rises_from_step_to_step_and_ends_at_one(self, image, metres, lens, level):
        fractions: list[float] = []
        fp.render(
            np.stack([image] * 3),
            metres,
            focus_distance=2.0,
            bokeh_level=level,
            lens=lens,
            on_progress=fractions.append,
        )
        assert fractions == sorted(fractions)
        assert len(set(fractions)) >= 3
        assert 0.0 <= fractions[0] < 1.0
        assert fractions[-1] == 1.0

    def test_the_exact_method_reports_its_end_too(self, image, metres):
        pytest.importorskip("numba", reason="the exact method needs the extra focuspuller[fast]")
        fractions: list[float] = []
        exact = fp.Lens("bokehme", fp.BokehMeOptions(method="exact"))
        fp.render(image, metres, **CHOICE, lens=exact, on_progress=fractions.append)
        assert fractions[-1] == 1.0
