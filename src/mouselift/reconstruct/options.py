"""What a reconstruction or an evaluation is asked for. Nothing heavy is loaded here: `--help` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from mouselift.errors import DatasetError, ModelError
from mouselift.ranges import MaskMargin, OptionalCount, OptionalSide, Range, Ranged, Steps

Precision = Literal["float32", "bfloat16"]
Activated = Literal["none", "opacities", "scales", "both"]  # of gaussians.activated
Form = Literal["colours", "log10", "xyzw"]  # of gaussians.forms
Method = Literal["network", "fit"]
FilterName = Literal["none", "facelift", "facelift-gradio", "facelift-training"]  # of gaussians.filters.FILTERS
Levels3 = Annotated[tuple[int, int, int], Range(0, 255)]  # red, green, blue, 0..255

STEPS = 200  # of a fit: `benchmarks/fit.py` prints what fewer and more reach
MIN_VIEWS = 4  # of a sample, for a view to be held out unasked: three are the fewest worth reconstructing from
BOX_WORDS = "the network that comes with mouselift"  # in records and on pages
BOX_SIZE = 128  # pixels a side: what the network that comes with mouselift was trained on
NONE = "none"  # in place of a view's name: hold none out


@dataclass(frozen=True)
class Round:
    """One reconstruction of a sample: places of views in its file, ascending. All of them are drawn and scored."""

    inputs: tuple[int, ...]
    held_out: tuple[int, ...]


@dataclass(frozen=True)
class HoldOut:
    """Which views go in, and which are held out to judge the result; DatasetError where more than one field is set.

    Scores of input views say how well the images that went in come out again; only views that did not go in say
    whether the shape is right.

    * nothing set: the last view in the file of the first sample is held out, by its name, in every sample.
    * held_out: these views, by name; ("none",): none, all views go in.
    * inputs: these views go in, all others are held out.
    * rotate: each view in turn, one reconstruction each.
    """

    held_out: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    rotate: bool = False

    def __post_init__(self) -> None:
        if bool(self.held_out) + bool(self.inputs) + self.rotate > 1:
            raise DatasetError("expected one of --hold-out, --views and --rotate, got more; each says what goes in")

    def settled(self, names: Sequence[str]) -> HoldOut:
        """The rule with its default made explicit, for a first sample with these views. DatasetError below four."""
        if self.held_out or self.inputs or self.rotate:
            return self
        if len(names) < MIN_VIEWS:
            raise DatasetError(
                f"expected at least {MIN_VIEWS} views to hold one out, got {', '.join(names)}; say --hold-out NAME, or "
                f"--hold-out {NONE} for figures of input views only"
            )
        return HoldOut(held_out=(names[-1],))

    def rounds(self, names: Sequence[str]) -> tuple[Round, ...]:
        """For a sample with these views. DatasetError for a view that it does not have, or no view left to go in."""
        if self.rotate:
            if len(names) < 2:
                raise DatasetError(f"expected at least 2 views to hold each out in turn, got {', '.join(names)}")
            every = range(len(names))
            return tuple(Round(tuple(k for k in every if k != out), (out,)) for out in every)
        out = () if self.held_out == (NONE,) else self.held_out
        absent = [name for name in (*out, *self.inputs) if name not in names]
        if absent:
            raise DatasetError(
                f"expected the view{'s' if len(absent) > 1 else ''} {', '.join(absent)}; the sample has "
                f"{', '.join(names)}"
            )
        given = [k for k, name in enumerate(names) if (name in self.inputs if self.inputs else name not in out)]
        if not given:
            raise DatasetError(f"expected at least one view to go in; all of {', '.join(names)} are held out")
        return (Round(tuple(given), tuple(k for k in range(len(names)) if k not in given)),)

    @property
    def words(self) -> str:
        """For a person."""
        if self.rotate:
            return "each view held out in turn"
        if self.inputs:
            return f"{', '.join(self.inputs)} went in, all other views are held out"
        if self.held_out == (NONE,):
            return "no view held out: these figures do not say whether the shape is right"
        return f"held out: {', '.join(self.held_out) or 'the last view'}"


@dataclass(frozen=True, kw_only=True)
class MethodOptions(Ranged):
    """What makes the Gaussians."""

    checkpoint: Path | None = None
    """The network's weights: FaceLift's released .pt, or .safetensors of mouselift. Default: the small network that
    comes with it, which learned from synthetic mice and rats at 128 px."""
    method: Method = "network"
    """fit: no network, no checkpoint; Gaussians start on the visual hull of the masks and are fitted to the views."""
    steps: Steps = STEPS
    """Of the fit."""
    refine: Steps = 0
    """Steps by which a network's Gaussians are fitted further to the views that went in."""
    camera_colours: bool = False
    """Reconstruct in colours common to all cameras: each camera's gain and offset are estimated from the given samples,
    taken out of what goes in, put back where its view is drawn and scored, and reported."""


@dataclass(frozen=True, kw_only=True)
class ReconstructOptions(MethodOptions):
    """What `reconstruct_samples` is asked for. ModelError for a filter that does not exist,
    OptionError for numbers out of range."""

    views: tuple[str, ...] = ()
    """Views that go in, by name; the others are held out and scored apart. All by default."""
    size: OptionalSide = None
    """Pixels a side, to which images are resized with their cameras; 256 is a tenth of the work of 512."""
    samples: OptionalCount = None
    """At most this many samples, spread over those given; the rest is made when the command is given without it."""
    filter: FilterName = "none"
    """Which Gaussians to leave out. The facelift ones are the release's and made for human heads."""
    colour_bytes: bool = False
    """Write red, green, blue as bytes into the .ply, as FaceLift does, for programs that show plain points. Readers
    that expect floats only (gsply, the viewer of the 3DGS reference) then read wrong numbers."""
    turntable: Steps = 60
    """Frames of one turn; 0: no film."""
    background: Levels3 = (255, 255, 255)
    """RGB levels behind the subject, in what the network sees and in what is drawn."""
    dtype: Precision = "float32"
    """Precision of the network's linear layers; bfloat16 halves their memory."""
    device: str | None = None
    """cpu, cuda or cuda:1; CUDA where there is one, by default."""
    mask_margin: MaskMargin = None
    """Only patches within so many pixels of the subject's mask enter the network, only such pixels become Gaussians: a
    tenth of the time and less. By default what the network was trained with; FaceLift's was with all of them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filter not in get_args(FilterName):
            raise ModelError(f"filter: expected one of {', '.join(get_args(FilterName))}, got {self.filter!r}")
        _check_method(self, self.checkpoint is not None)
        if self.boxed and self.size is None:
            object.__setattr__(self, "size", BOX_SIZE)

    @property
    def boxed(self) -> bool:
        """Whether the network that comes with mouselift is asked for."""
        return self.method == "network" and self.checkpoint is None

    @property
    def rule(self) -> HoldOut:
        """All views go in unless some are named."""
        return HoldOut(inputs=self.views) if self.views else HoldOut(held_out=(NONE,))

    @property
    def identity(self) -> dict[str, object]:
        """What must be equal for two runs of one network to share a folder."""
        own = {key: getattr(self, key) for key in ("views", "size", "filter", "turntable")}
        for key in ("colour_bytes", "camera_colours"):  # said only then: folders that were made before go on
            if getattr(self, key):
                own[key] = True
        return {**own, "background": colour_of(self.background)}


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(MethodOptions):
    """What `evaluate_reconstruction` is asked for: a checkpoint or files of Gaussians, and what is held out.

    ModelError where both `checkpoint` and `gaussians` are given; DatasetError where options contradict one another
    or numbers are out of range.
    """

    gaussians: Path | None = None
    """A folder that holds a SAMPLE/gaussians.ply (`mouselift reconstruct` writes them), SAMPLE.ply or
    SAMPLE.splat of every sample, in the world of its cameras; or one such file for one sample. In place of a
    network."""
    activated: Activated | None = None
    """Which numbers of a .ply of Gaussians are activated already (opacities 0..1, scales as lengths), in place of
    logits and logarithms; by default none, and a file in which they look so is refused."""
    read_as: tuple[Form, ...] = ()
    """What a .ply of Gaussians holds in another form than the standard's. colours: f_dc are colours 0..1. log10: scales
    are logarithms to base 10. xyzw: rotations have w last."""
    hold_out: tuple[str, ...] = ()
    """Views that are kept from the network, by name (default: the first sample's last view), or `none`."""
    views: tuple[str, ...] = ()
    """Views that go in, by name, instead of --hold-out; all others are held out."""
    rotate: bool = False
    """Instead: hold each view out in turn, one reconstruction each."""
    size: OptionalSide = None
    """Pixels a side, to which images are resized with their cameras; 256 needs a quarter of the memory of 512."""
    background: Levels3 = (255, 255, 255)
    """RGB levels behind the subject, in what goes in, in what is drawn and in what it is compared with."""
    dtype: Precision = "float32"
    """Precision of the network's linear layers."""
    device: str | None = None
    """cpu, cuda, cuda:1; default: CUDA where there is one."""
    mask_margin: MaskMargin = None
    """Only patches within so many pixels of the subject's mask enter the network, only such pixels become Gaussians: a
    tenth of the time and less. By default what the network was trained with; FaceLift's was with all of them."""
    samples: OptionalCount = None
    """At most this many samples, spread over the dataset."""
    lpips: Path | None = None
    """Weights of LPIPS with VGG16 (a state dict, .pt or .safetensors): adds LPIPS to the figures."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.checkpoint is not None and self.gaussians is not None:
            raise ModelError("expected --checkpoint FILE, or --gaussians FOLDER with files that are there already")
        if self.gaussians is not None and (self.method == "fit" or self.refine):
            raise ModelError("--method fit and --refine make Gaussians; expected them without --gaussians")
        _check_method(self, self.checkpoint is not None or self.gaussians is not None)
        if self.boxed and self.size is None:
            object.__setattr__(self, "size", BOX_SIZE)
        if (self.activated is not None or self.read_as) and self.gaussians is None:
            told = "--read-as" if self.read_as else "--activated"
            raise DatasetError(f"{told} says how files of Gaussians are read; expected --gaussians with it")
        if self.gaussians is not None and self.rotate:
            raise DatasetError("--rotate makes a reconstruction a view; expected --checkpoint with it, got --gaussians")
        if self.mask_margin is not None and self.gaussians is not None:
            raise DatasetError("--mask-margin says what enters a network; expected --checkpoint with it")
        if self.camera_colours and self.gaussians is not None:
            raise ModelError("--camera-colours changes what Gaussians are made from; expected it without --gaussians")
        HoldOut(self.hold_out, self.views, self.rotate)

    @property
    def boxed(self) -> bool:
        """Whether the network that comes with mouselift is asked for."""
        return self.method == "network" and self.checkpoint is None and self.gaussians is None

    @property
    def rule(self) -> HoldOut:
        """Files do not say which views they were made from: all count as inputs unless the options say more."""
        if self.gaussians is not None and not (self.hold_out or self.views):
            return HoldOut(held_out=(NONE,))
        return HoldOut(self.hold_out, self.views, self.rotate)


def _check_method(options: ReconstructOptions | EvaluateOptions, given: bool) -> None:
    """given: a checkpoint, or files. ModelError where options contradict one another."""
    if options.method not in get_args(Method):
        raise ModelError(f"method: expected one of {', '.join(get_args(Method))}, got {options.method!r}")
    fits = options.method == "fit"
    if fits and (given or options.refine or options.mask_margin is not None):
        raise ModelError("--method fit uses no network; expected it without --checkpoint, --refine and --mask-margin")


def colour_of(levels: Levels3) -> tuple[float, float, float]:
    """RGB levels as red, green, blue in 0..1."""
    red, green, blue = (level / 255 for level in levels)
    return red, green, blue
