"""Variation of samples: turned, scaled, bent, blurred; no sample is seen twice as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from efficientcellseg.maps import check_maps, find_directions


class Augmentation(nn.Module):
    """Vary samples: turned, scaled, bent; blurred, noisy, brighter; a neighbor slice lost.

    Draws from torch's global generators.

    Parameters
    ----------
    maps : sequence of str
        What the target's channels are: directions turn and grow with the image. Bending leaves
        them as they are, and tiles are taken for square.
    zoom, gray, lighting : float, float, bool
        See :class:`efficientcellseg.parameters.training.Variation`.

    Raises
    ------
    InputError
        What :func:`efficientcellseg.maps.check_maps` refuses.
    """

    def __init__(
        self,
        maps: Sequence[str] = (),
        zoom: float = 1.25,
        gray: float = 0.0,
        lighting: bool = False,
    ) -> None:
        import kornia.augmentation as augmentation

        super().__init__()
        check_maps(maps)
        self.directions, self.gray = find_directions(maps), gray

        reflect: Any = {"padding_mode": "reflection"}
        self.geometry = nn.Sequential(
            augmentation.RandomHorizontalFlip(),
            augmentation.RandomAffine(180.0, scale=(1 / zoom, zoom), p=1.0, **reflect),
            augmentation.RandomElasticTransform((31, 31), (6.0, 6.0), p=0.1, **reflect),
        )
        self.intensity = nn.Sequential(
            augmentation.RandomGaussianBlur((5, 5), (0.3, 1.0), p=0.15),
            augmentation.RandomGamma((0.7, 1.4), (0.75, 1.3), p=1.0),
            augmentation.RandomBrightness((0.95, 1.05), p=0.5),
            augmentation.RandomGaussianNoise(std=0.02, p=0.4),
        )
        if lighting:
            self.intensity = nn.Sequential(
                augmentation.RandomGaussianBlur((7, 7), (0.3, 2.0), p=0.25),
                augmentation.RandomGamma((0.5, 1.5), (0.6, 1.4), p=1.0),
                augmentation.RandomLinearIllumination((0.02, 0.25), (-1.0, 1.0), p=0.2),
                augmentation.RandomGaussianIllumination((0.02, 0.2), p=0.15),
                augmentation.RandomBrightness((0.95, 1.15), p=0.5),
                augmentation.RandomGaussianNoise(std=0.02, p=0.3),
                augmentation.RandomGaussianNoise(std=0.06, p=0.1),
            )

    @torch.no_grad()
    def forward(self, images: Tensor, target: Tensor, known: Tensor) -> tuple[Tensor, ...]:
        """Vary a batch.

        Parameters
        ----------
        images : Tensor of shape (N, 3, S, S), float32
            In 0..1; or slabs, (N, 1, P, S, S), all planes of which are moved alike.
        target, known : Tensor of shape (N, C, S, S) or (N, C, P, S, S), float32

        Returns
        -------
        images, target, known : Tensor
            Of the same shapes.
        """
        # Slices may be turned over: then what was above lies below.
        turned = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        if images.ndim == 5:
            slabs = (images, target, known)
            images, target, known = (torch.where(turned[..., None], x.flip(2), x) for x in slabs)
        else:
            images = torch.where(turned, images.flip(1), images)
        shapes = [x.shape[1:-2] for x in (images, target, known)]
        folded = torch.cat([x.flatten(1, -3) for x in (images, target, known)], 1)
        parts = self.geometry(folded).split([math.prod(shape) for shape in shapes], 1)
        parts = self.intensity(parts[0].clamp(0, 1)).clamp(0, 1), *parts[1:]
        images, target, known = (
            part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)
        )
        if images.ndim == 4:
            lost = torch.rand(len(images), 3, 1, 1, device=images.device) < 0.03
            lost[:, 1] = False
            images = images.masked_fill(lost, 0.0)
            if self.gray:
                alone = torch.rand(len(images), 1, 1, 1, device=images.device) < self.gray
                images = torch.where(alone, images[:, 1:2], images)
        known = (known > 0.999).float()
        for direction in self.directions:
            target, known = self._turn(direction, target, known, turned.flatten())
        return images, target, known

    def _turn(
        self, direction: tuple[int, int, int], target: Tensor, known: Tensor, over: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Turn a direction's channels as the image was turned.

        What was mirrored in from outside the tile points the wrong way: there it is unknown.
        `direction` is from :func:`efficientcellseg.maps.find_directions`; `target` and `known` are
        those of :meth:`forward`; `over`, (N,) bool, says which samples had their slices turned
        over.
        """
        planes, rows, columns = direction
        target, known = target.clone(), known.clone()
        target[over, planes] = 1 - target[over, planes]
        steps: list[Any] = list(self.geometry)
        flip, affine = (step.transform_matrix for step in steps[:2])
        # Kornia's matrices take (column, row, 1) of a pixel to where it went.
        moved = (affine @ flip).to(target)
        both = target[:, [columns, rows]] - 0.5
        both = torch.einsum("nij,nj...->ni...", moved[:, :2, :2], both) + 0.5
        target[:, [columns, rows]] = both.clamp(0, 1)
        # Planes keep their distance in the cell, whose size in pixels has changed.
        size = torch.linalg.det(moved[:, :2, :2]).abs().sqrt()
        size = size.view(-1, *(1,) * (target.ndim - 2))
        target[:, planes] = ((target[:, planes] - 0.5) * size + 0.5).clamp(0, 1)
        side = target.shape[-1]
        place = torch.arange(side, dtype=target.dtype, device=target.device)
        row, column = torch.meshgrid(place, place, indexing="ij")
        pixels = torch.stack([column, row, torch.ones_like(row)])
        source = torch.einsum("nij,jyx->niyx", torch.linalg.inv(moved), pixels)[:, :2]
        inside = ((source >= 0) & (source <= side - 1)).all(dim=1)
        for channel in direction:
            known[:, channel] *= inside if known.ndim == 4 else inside[:, None]
        return target, known
