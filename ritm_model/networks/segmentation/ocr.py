"""Object-contextual representations for a single object class.

Shapes: B batch, O the OCR width, D = 2 * O, H and W the size of the feature map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ritm_model.networks.blocks import conv


def gather_object(pixels_BDHW: Tensor, aux_B1HW: Tensor) -> Tensor:
    """Average the pixel features of the object, weighted by the softmax over all pixels of its logits.

    Returns:
        B x D x 1 x 1 features of the object.
    """
    weights_B1N = aux_B1HW.flatten(2).softmax(dim=2)
    object_BD1 = pixels_BDHW.flatten(2) @ weights_B1N.transpose(1, 2)
    return object_BD1.unsqueeze(3)


class ObjectContext(nn.Module):
    """Attention from every pixel to the object classes.

    With one class the attention weights are all 1, whatever `f_pixel` and `f_object` say, so the context is
    the same vector for every pixel. In eval mode the two are therefore skipped. In training mode they run,
    because the running statistics of their normalisation are part of a checkpoint and move.
    """

    def __init__(self, ocr_width: int) -> None:
        super().__init__()
        in_channels = 2 * ocr_width
        self.f_pixel = nn.Sequential(
            conv(in_channels, ocr_width, 1),
            _bn_relu(ocr_width),
            conv(ocr_width, ocr_width, 1),
            _bn_relu(ocr_width),
        )
        self.f_object = nn.Sequential(
            conv(in_channels, ocr_width, 1),
            _bn_relu(ocr_width),
            conv(ocr_width, ocr_width, 1),
            _bn_relu(ocr_width),
        )
        self.f_down = nn.Sequential(conv(in_channels, ocr_width, 1), _bn_relu(ocr_width))
        self.f_up = nn.Sequential(conv(ocr_width, in_channels, 1), _bn_relu(in_channels))

    def forward(self, pixels_BDHW: Tensor, object_BD11: Tensor) -> Tensor:
        if self.training:
            return self.attend(pixels_BDHW, object_BD11)
        context_BD11: Tensor = self.f_up(self.f_down(object_BD11))
        return context_BD11.expand_as(pixels_BDHW)

    def attend(self, pixels_BDHW: Tensor, object_BD11: Tensor) -> Tensor:
        """Compute the context of every pixel the long way."""
        query_BOHW = self.f_pixel(pixels_BDHW)
        key_BO1 = self.f_object(object_BD11).flatten(2)
        value_BO1 = self.f_down(object_BD11).flatten(2)
        query_BNO = query_BOHW.flatten(2).transpose(1, 2)
        similarity_BN1 = (query_BNO @ key_BO1 * key_BO1.shape[1] ** -0.5).softmax(dim=2)
        context_BON = value_BO1 @ similarity_BN1.transpose(1, 2)
        context_BDHW: Tensor = self.f_up(context_BON.reshape(query_BOHW.shape))
        return context_BDHW


class ObjectAugmentation(nn.Module):
    """Pixel features joined with the context of their object: B x D x H x W in and out."""

    def __init__(self, ocr_width: int) -> None:
        super().__init__()
        channels = 2 * ocr_width
        self.object_context_block = ObjectContext(ocr_width)
        self.conv_bn_dropout = nn.Sequential(
            conv(2 * channels, channels, 1), _bn_relu(channels), nn.Dropout2d(0.05)
        )

    def forward(self, pixels_BDHW: Tensor, object_BD11: Tensor) -> Tensor:
        context_BDHW = self.object_context_block(pixels_BDHW, object_BD11)
        out_BDHW: Tensor = self.conv_bn_dropout(torch.cat([context_BDHW, pixels_BDHW], dim=1))
        return out_BDHW


def _bn_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
