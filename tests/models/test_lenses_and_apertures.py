"""Every lens, also the one with networks, honours a parameter of the aperture or refuses it."""

from __future__ import annotations

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.aperture import RANGES, Aperture
from focuspuller.lens.bokehme import BokehMeOptions
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.drbokeh import DrBokehOptions
from focuspuller.lens.render import LENSES, Lens, render
from focuspuller.lens.run_length import is_available
from focuspuller.models.bokehme.architecture import ARNet, IUNet
from focuspuller.models.bokehme.handle import HYBRID, HybridOptions
from torch import Tensor

SIDE = 72
TRIANGLE = torch.tril(torch.ones(9, 9))
APERTURES = {
    "blades": Aperture(5),
    "rotation_degrees": Aperture(5, rotation_degrees=30.0),
    "roundness": Aperture(5, roundness=0.5),
    "image": Aperture(image=TRIANGLE),
    "squeeze": Aperture(squeeze=1.8),
    "obstruction": Aperture(obstruction=0.5),
    "spherical_aberration": Aperture(spherical_aberration=-0.8),
    "cats_eye": Aperture(cats_eye=0.8),
    "swirl": Aperture(swirl=0.8),
    "axial_chromatism": Aperture(axial_chromatism=8.0),
}
# What is to be seen beyond a circle; for what turns or rounds an iris, beyond that iris.
PLAIN = {"rotation_degrees": Aperture(5), "roundness": Aperture(5)}
VISIBLE = 0.05  # of a disc's own light
CLASSICAL = {
    "taf": Lens("taf"),
    "bokehme, fft": Lens("bokehme"),
    "bokehme, energy": Lens("bokehme", BokehMeOptions(weighting="energy")),
    "bokehme, gamma": Lens("bokehme", BokehMeOptions(gamma=4.0)),
    "bokehme, exact": Lens("bokehme", BokehMeOptions(method="exact")),
    "layered": Lens("layered"),
    "drbokeh": Lens("drbokeh"),
    "drbokeh, published": Lens("drbokeh", DrBokehOptions(kernel="published")),
    "drbokeh, foreground": Lens("drbokeh", DrBokehOptions(torch.zeros(1, 1, SIDE, SIDE))),
}

every_parameter = pytest.mark.parametrize("parameter", APERTURES)


def photograph(lens: Lens, aperture: Aperture) -> Tensor:
    """A light in a corner, in front of the focus, and one in the opposite corner, behind it."""
    image = torch.zeros(1, 3, SIDE, SIDE)
    image[..., 14, 14] = image[..., -15, -15] = 100.0
    radius = torch.full((1, 1, SIDE, SIDE), -7.0)
    radius[..., : SIDE // 2] = 7.0
    return render(image, Defocus(radius), lens, aperture)


def networks() -> Lens:
    torch.manual_seed(0)
    return Lens("bokehme", HybridOptions(ARNet().eval(), IUNet().eval()), HYBRID)


def test_every_parameter_and_every_lens_is_in_the_table() -> None:
    fields = set(Aperture.__dataclass_fields__)
    assert fields == set(APERTURES)
    assert set(RANGES) < fields
    assert {lens.name for lens in CLASSICAL.values()} == set(LENSES)


@every_parameter
@pytest.mark.parametrize("name", CLASSICAL)
def test_a_lens_without_networks_honours_it(name: str, parameter: str) -> None:
    if name == "bokehme, exact" and not is_available():
        pytest.skip("numba is not installed")
    plain = photograph(CLASSICAL[name], PLAIN.get(parameter, Aperture()))
    shaped = photograph(CLASSICAL[name], APERTURES[parameter])
    for half in (slice(None, SIDE // 2), slice(SIDE // 2, None)):
        change = (shaped - plain)[..., half].abs().sum() / plain[..., half].sum()
        assert float(change) > VISIBLE


@every_parameter
def test_the_networks_refuse_what_they_cannot_draw(parameter: str) -> None:
    aperture = APERTURES[parameter]
    if parameter == "axial_chromatism":
        with torch.no_grad():
            assert not torch.equal(
                photograph(networks(), aperture), photograph(networks(), Aperture())
            )
        return
    iris = parameter in ("rotation_degrees", "roundness")
    named = "blades" if iris else "a drawn shape" if parameter == "image" else parameter
    with pytest.raises(InputError, match=f"aperture: received .*{named}.*networks") as error:
        photograph(networks(), aperture)
    assert error.value.advice.startswith("Use a round aperture, BokehMe without arnet and iunet")


def test_the_networks_name_all_that_they_refuse_and_take_round_blades() -> None:
    with pytest.raises(InputError, match=r"received 6 blades, squeeze 1\.5, cats_eye 0\.5 for"):
        photograph(networks(), Aperture(6, squeeze=1.5, cats_eye=0.5))
    with torch.no_grad():
        round_blades = photograph(networks(), Aperture(6, roundness=1.0))
        assert torch.equal(round_blades, photograph(networks(), Aperture()))
