"""Which network is it? The backbone contract and its checks, wrapping, output stride, starting and pretrained weights.

Begin with ``contract``: what every backbone declares. ``wrap`` makes a backbone of any convolutional network.
"""
