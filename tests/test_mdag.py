"""Dilated convolutions, selection module and gates (formulas 11 to 13) against hand loops and counted positions."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scsmd_nb.nn.mdag import (
    MDAG,
    GatedBottleneck,
    MultiDilatedConv,
    SelectionModule,
    SqueezeAttention,
    TrimmedConv2d,
    conv,
    receptive_field,
    seen_positions,
)

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def loop(x, weight, bias, dilation):
    "A dilated convolution by loops over outputs and taps; the size is kept."
    out = bias[None, :, None, None].repeat(len(x), 1, *x.shape[2:])
    height, width = weight.shape[2:]
    for i, j, a, b in itertools.product(*map(range, (*x.shape[2:], height, width))):
        row, column = i + dilation * (a - height // 2), j + dilation * (b - width // 2)
        if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
            out[:, :, i, j] += x[:, :, row, column] @ weight[:, :, a, b].T
    return out


@pytest.mark.parametrize("size", [(1, 16), (1, 3), (1, 1), (7, 7), (3, 3), (4, 9)])
@pytest.mark.parametrize("dilation", [1, 2, 4, 10])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_conv_is_the_loop(size, dilation, kernel_size):
    layer = conv(3, 4, kernel_size, dilation=dilation, image=size[0] > 1)
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(
        layer(x), loop(x, layer.weight, layer.bias, dilation), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(3, 3), (7, 7), (14, 14), (1, 5), (2, 6)])
def test_trimmed_conv_equals_conv2d(size, stride):
    for dilation in (1, 2, 3, 6, 20):
        layer = TrimmedConv2d(3, 4, 3, stride=stride, dilation=dilation, padding=dilation).double()
        results = []
        for forward in (TrimmedConv2d.forward, nn.Conv2d.forward):
            torch.manual_seed(1)
            x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
            y = forward(layer, x)
            results.append(
                (y, *torch.autograd.grad(y.square().sum(), (x, layer.weight, layer.bias)))
            )
        for ours, plain in zip(*results):
            torch.testing.assert_close(ours, plain)


def test_trimmed_conv_leaves_other_paddings_alone():
    layer = conv(2, 3, 3, dilation=4, padding=0, image=True)
    assert layer(torch.randn(1, 2, 9, 9)).shape == (1, 3, 1, 1)
    valid = conv(1, 8, 8, stride=4, padding=2)
    assert valid(torch.randn(2, 1, 1, 1000)).shape == (2, 8, 1, 250)


def test_conv_pads_sequences_along_the_genes_only():
    assert conv(2, 2, 3, dilation=6).padding == (0, 6)
    assert conv(2, 2, 3, dilation=6, image=True).padding == (6, 6)
    assert conv(2, 2, 5, bias=False).bias is None


@pytest.mark.parametrize(
    "image, size", [(False, (1, 64)), (True, (14, 14)), (True, (3, 3)), (False, (1, 1))]
)
def test_shapes(image, size):
    x = torch.randn(4, 6, *size)
    assert MultiDilatedConv(6, 5, image=image)(x).shape == (4, 20, *size)
    assert SelectionModule(6)(x).shape == x.shape
    assert MDAG(6, image=image)(x).shape == x.shape
    assert MDAG(6, image=image).to(memory_format=torch.channels_last)(x).shape == x.shape


def test_formula_11_concatenates_then_relu():
    block = MultiDilatedConv(3, 5, dilations=(1, 4), batch_norm=False)
    x = torch.randn(2, 3, 1, 20)
    parts = [loop(x, c.weight, c.bias, d) for c, d in zip(block.convs, (1, 4))]
    torch.testing.assert_close(block(x), F.relu(torch.cat(parts, 1)))


def test_mdag_of_one_channel():
    assert MDAG(1)(torch.randn(2, 1, 1, 12)).shape == (2, 1, 1, 12)


@pytest.mark.parametrize(
    "dilations", [(1,), (1, 3, 5, 7), (2, 4, 6, 8), (4, 6, 8, 10), (6, 8, 10, 12), (10, 8, 6, 4)]
)
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_receptive_field_formula_equals_measurement(dilations, kernel_size):
    seen = (
        seen_positions(MultiDilatedConv(2, 4, dilations, kernel_size), 2, 101)[0]
        .nonzero()
        .flatten()
        - 50
    )
    assert seen.max() - seen.min() + 1 == receptive_field(dilations, kernel_size)
    taps = range(-(kernel_size // 2), kernel_size // 2 + 1)
    assert seen.tolist() == sorted({d * m for d in dilations for m in taps})


def test_a_corner_sees_its_rows_and_columns():
    corner = seen_positions(MultiDilatedConv(2, 4, image=True), 2, (7, 7), at=(0, 0))
    assert corner.nonzero().tolist() == [[0, 0], [0, 4], [0, 6], [4, 0], [4, 4], [6, 0], [6, 6]]


def test_seen_positions_leaves_the_layer_as_it_was():
    layer = MultiDilatedConv(2, 3)
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    seen_positions(layer, 2, 20)
    assert layer.training and all(p.grad is None for p in layer.parameters())
    assert all(torch.equal(v, before[k]) for k, v in layer.state_dict().items())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"dilations": (True,)}, "dilations holds True"),
        ({"dilations": ("4",)}, "dilations holds '4'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        MDAG(8, **options)


def test_everything_learns():
    for block, size in (
        (MDAG(8), (1, 16)),
        (MDAG(8, image=True), (5, 5)),
        (GatedBottleneck(8, 4), (5, 5)),
        (SqueezeAttention(8, 8), (4, 4)),
    ):
        x = torch.randn(6, 8, *size)
        block(x).square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in block.parameters())
