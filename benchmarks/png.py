"""PNG encoding: ours against OpenCV's and, where it is installed, Pillow's; CPU and size in one run.

python benchmarks/png.py
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable

import cv2
import numpy as np

from mouselift.media.png import decode_png, encode_png
from warp_quality import cpu_ms


def subject(size: int = 512) -> np.ndarray:
    """A furry ellipse that fills 0.36 of the frame, on nothing."""
    rng = np.random.default_rng(0)
    noise = np.stack([cv2.GaussianBlur(rng.normal(size=(size, size)), (0, 0), 2.0) for _ in range(3)], axis=2)
    x, y = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    inside = ((x / size - 0.5) / 0.42) ** 2 + ((y / size - 0.5) / 0.27) ** 2 < 1
    image = np.zeros((size, size, 4), dtype=np.uint8)
    image[..., :3] = np.rint((90 + 25 * noise / noise.std()).clip(0, 255))
    image[..., 3] = 255
    image[~inside] = 0
    return image


def with_scene(image: np.ndarray) -> np.ndarray:
    """The same with the arena's colours kept under alpha 0, as other tools leave them."""
    rng = np.random.default_rng(1)
    out = image.copy()
    hidden = image[..., 3] == 0
    out[hidden, :3] = np.rint(150 + 8 * rng.normal(size=(int(hidden.sum()), 3)))
    return out


def encoders() -> dict[str, Callable[[np.ndarray], bytes]]:
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    known: dict[str, Callable[[np.ndarray], bytes]] = {
        "mouselift": encode_png,
        "cv2 default": lambda image: cv2.imencode(".png", image)[1].tobytes(),
        "cv2 level 1, RLE": lambda image: cv2.imencode(".png", image, fast)[1].tobytes(),
    }
    if importlib.util.find_spec("PIL") is not None:
        known["Pillow default"] = _pillow
    return known


def _pillow(image: np.ndarray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def main() -> None:
    cv2.setNumThreads(1)
    bare = subject()
    for title, image in {"subject on nothing": bare, "scene kept under alpha 0": with_scene(bare)}.items():
        costs = {name: cpu_ms(lambda e=encode, i=image: e(i)) for name, encode in encoders().items()}
        print(f"{title}, 512 x 512")
        for name, encode in encoders().items():
            ratio, size = costs[name] / costs["mouselift"], len(encode(image)) / 1000
            print(f"  {name:18}{costs[name]:8.2f} ms{ratio:8.1f} x{size:10.1f} kB")
    data = encode_png(bare)
    print(f"decoding (OpenCV)   {cpu_ms(lambda: decode_png(data, 'bench')):8.2f} ms")


if __name__ == "__main__":
    main()
