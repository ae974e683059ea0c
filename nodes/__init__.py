"""ComfyUI nodes: thin adapters around `lens` and `photo`. Ids are forever, workflows hold them."""

from .aperture import ApertureNode, BokehPreview
from .bokehdiff import BokehDiffLens
from .camera import CameraNode
from .comfy import ComfyExtension, io
from .compare import Compare
from .depth import AlignDepth, DepthFromImage, LoadDepth, RefineDepth, RepairDepth, StabilizeDepth
from .depth_estimation import EstimateDepth
from .find_focus import FindFocus
from .fit import FitLens
from .focus import FocusDistance, FocusFromMask, FocusPoint, FocusPull
from .generate import GenerateAllInFocus
from .highlights import CompressHighlights, RecoverHighlights
from .lenses import BokehMeLens, DrBokehLens, LayeredLens, TafLens
from .mask import RefineMask, SubjectMask
from .photo import LoadPhoto, SamplePhoto, SavePhoto
from .rack_focus import RackFocusTimeline
from .refocus import BokehNet, DeblurNet, DiffCameraRefocus
from .refocus_model import LoadRefocusModel
from .refocus_photo import RefocusPhoto
from .render import DefocusMap, RenderBokeh
from .sweep import ApertureSweep
from .video import RenderBokehVideo

NODE_CLASSES: tuple[type[io.ComfyNode], ...] = (
    LoadPhoto,
    SamplePhoto,
    GenerateAllInFocus,
    LoadDepth,
    DepthFromImage,
    EstimateDepth,
    RepairDepth,
    AlignDepth,
    RefineDepth,
    StabilizeDepth,
    CameraNode,
    ApertureNode,
    BokehPreview,
    SubjectMask,
    RefineMask,
    FocusPoint,
    FocusFromMask,
    FocusDistance,
    FindFocus,
    FocusPull,
    RackFocusTimeline,
    DefocusMap,
    TafLens,
    BokehMeLens,
    DrBokehLens,
    LayeredLens,
    BokehDiffLens,
    RecoverHighlights,
    RenderBokeh,
    LoadRefocusModel,
    DeblurNet,
    BokehNet,
    DiffCameraRefocus,
    RefocusPhoto,
    ApertureSweep,
    FitLens,
    CompressHighlights,
    Compare,
    RenderBokehVideo,
    SavePhoto,
)


class FocusPullerExtension(ComfyExtension):
    """What ComfyUI loads."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes of this package."""
        return list(NODE_CLASSES)
